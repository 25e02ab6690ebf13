"""What attempts work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ci.agent.admission import Admission
from ci.agent.checkout import Checkout
from ci.agent.line import Line
from ci.agent.room import Room
from ci.agent.runner import Runner
from ci.agent.scarcity import Scarcity


@dataclass(frozen=True, slots=True)
class Tools:
    """What all attempts of an agent share.

    `address` is what servers of others are told of this agent.
    """

    runner: Runner
    checkout: Checkout
    room: Room
    line: Line
    address: Mapping[str, Any]
    admission: Admission
    scarcity: Scarcity = field(default_factory=Scarcity)

    @property
    def problem(self) -> str:
        """Why no build is taken, as of the last look; or empty."""
        return self.room.problem or self.scarcity.problem
