"""How far the storage knows of a build, in a sentence for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ci.model import Status
from ci.origin import Phase, Report


@dataclass(frozen=True, slots=True)
class Trouble:
    """What failed when the storage was last told of a build; `tries` of this build alone, or 0."""

    problem: str
    tries: int
    next_at: datetime | None  # None: not before somebody has done something about it


class Telling(Protocol):
    """The telling of a storage, as far as pages and metrics ask for it."""

    def trouble(self, number: int) -> Trouble | None:
        """Say what keeps the storage from hearing of a build, if something does."""

    @property
    def untold(self) -> int:
        """Of how many builds it has still to hear something."""

    @property
    def failing_s(self) -> float:
        """For how many seconds nothing works there; 0 if it does."""

    @property
    def problem(self) -> str | None:
        """Say in a sentence that nothing is taken from it, and why, once that has lasted."""


class NoStorage:
    """Where none is configured; what was taken from one earlier waits until one is again."""

    untold = 0
    failing_s = 0.0
    problem = None

    def trouble(self, number: int) -> Trouble | None:  # noqa: ARG002  it is the same for all
        """Say so, of a build of which something is to be told."""
        return Trouble("there is no apiBaseUrl any more", 0, None)


def told(report: Report, status: Status, trouble: Trouble | None = None) -> str:
    """Say what the storage knows, and what keeps it from knowing more."""
    said = _known(report, status)
    if trouble is None or report.phase is Phase.OVER:
        return said
    times = f", tried {trouble.tries} times" if trouble.tries > 1 else ""
    return f"{said} Not taken yet: {trouble.problem}{times}{_next(trouble)}."


def waits(trouble: Trouble) -> str:
    """Say why a build that waits for nothing else is not begun."""
    return f"the storage API has not heard of its start{_next(trouble)}"


def _next(trouble: Trouble) -> str:
    at = trouble.next_at
    return "" if at is None else f"; next try at {at:%H:%M:%S} UTC"


def _known(report: Report, status: Status) -> str:
    match report.phase:
        case Phase.OVER:
            return report.note or "All of it was told there."
        case Phase.TAKEN if status is Status.WAITING:
            return "Its start is told there when an agent has a free slot."
        case Phase.STARTING if status is Status.WAITING:
            return "Its start is being told there."
    if status.ended:
        return "Its end is being told there."
    return "Its start was told there."
