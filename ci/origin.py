"""Origin: where a build of an external storage came from, and what has become of it there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    """How far the storage knows of what happens here. It only goes forward."""

    TAKEN = "taken"  # it waits here; the storage has heard nothing of us
    STARTING = "starting"  # its start was sent, perhaps: the answer may be lost
    STARTED = "started"  # the storage has it as begun by us, so that an agent may have it
    OVER = "over"  # nothing is left to be told


@dataclass(frozen=True, slots=True)
class Origin:
    """A build as the storage has it; `number` is the one that it has there."""

    id: str
    configuration: str
    number: int
    message: str = ""
    branch: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the storage is told of our build number `build`.

    `start` is the time that is sent with the start, once there is one: we know by it that a start
    was ours. `note` says in a sentence why nothing is told any more, if that is worth a word.
    """

    origin: Origin
    build: int
    phase: Phase
    start: datetime | None = None
    note: str = ""
