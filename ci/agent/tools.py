"""What attempts work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ci.agent.admission import Admission
from ci.agent.checkout import Checkout
from ci.agent.line import Line
from ci.agent.metrics import Metrics
from ci.agent.room import Room
from ci.agent.runner import Runner
from ci.agent.scarcity import Scarcity
from ci.wire.result import Dialect


@dataclass(frozen=True, slots=True)
class Tools:
    """What a build needs to be run, with a server or without."""

    runner: Runner
    checkout: Checkout
    room: Room
    admission: Admission
    metrics: Metrics
    scarcity: Scarcity = field(default_factory=Scarcity, kw_only=True)

    @property
    def problem(self) -> str:
        """Why no build is taken, as of the last look; or empty."""
        return self.room.problem or self.scarcity.problem


@dataclass(frozen=True, slots=True)
class AgentTools(Tools):
    """What all attempts of an agent share.

    `address` is what servers of others are told of this agent.
    """

    line: Line
    address: Mapping[str, Any]
    dialect: Dialect = Dialect.WORDS  # what they read in `status`
