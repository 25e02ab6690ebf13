"""How far the storage knows of a build, in a sentence for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ci.model import Status
from ci.origin import Phase, Report


@dataclass(frozen=True, slots=True)
class Trouble:
    """What failed when the storage was last told of a build; `tries` of this build alone, or 0."""

    problem: str
    tries: int
    next_at: datetime


def told(report: Report, status: Status, trouble: Trouble | None = None) -> str:
    """Say what the storage knows, and what keeps it from knowing more."""
    said = _known(report, status)
    if trouble is None or report.phase is Phase.OVER:
        return said
    times = f", tried {trouble.tries} times" if trouble.tries > 1 else ""
    return f"{said} Not taken yet: {trouble.problem}{times}; next try at {_clock(trouble)}."


def waits(trouble: Trouble) -> str:
    """Say why a build that waits for nothing else is not begun."""
    return f"the storage API has not heard of its start; next try at {_clock(trouble)}"


def _clock(trouble: Trouble) -> str:
    return f"{trouble.next_at:%H:%M:%S} UTC"


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
