"""What is to be done next about one build, so that it and the storage come to agree. Pure.

Nothing there can be asked for twice, and an answer may be lost after the change was made. So where
we are not sure we look first, and do what then is left to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ci.model import Status
from ci.origin import Phase, Report
from ci.server.external.there import There, Word

# We send whole milliseconds. Some databases keep times to the next 1/300 s, and some only the
# second: these round it, or cut it off.
_EXACT: Final = timedelta(milliseconds=5)
_SECOND: Final = timedelta(seconds=1)

ANOTHER: Final = "Another server has begun it in the storage API, so it is not built here."
REPLACED: Final = "The storage API has another configuration now, without this build."
_THERE: Final = {
    Word.CANCELED: "It was canceled in the storage API.",
    Word.SUCCESS: "It has ended as Success in the storage API already.",
    Word.FAIL: "It has ended as Fail in the storage API already.",
}


class Wish(StrEnum):
    """What the storage is to hear of a build, as it stands here."""

    NOTHING = "nothing"
    START = "start"
    FINISH = "finish"
    CANCEL = "cancel"


class Step(StrEnum):
    """One step of ours."""

    LOOK = "look"  # ask how it stands there
    START = "start"
    FINISH = "finish"
    CANCEL = "cancel"
    STARTED = "started"  # note that the start was taken
    CLOSE = "close"  # note that nothing is left to be told
    DROP = "drop"  # as well, and do not build it


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step; `note` says why in a sentence, for who looks at the build."""

    step: Step
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stand:
    """How a build stands in the storage, for all that we know; `is_ours` if we have begun it."""

    status: Word
    is_ours: bool


def wish(phase: Phase, status: Status) -> Wish:
    """Say what the storage is to hear of a build of ours that has `status`."""
    if phase is Phase.OVER or status is Status.RUNNING:
        return Wish.NOTHING
    if status is Status.WAITING:
        return Wish.NOTHING if phase is Phase.STARTED else Wish.START
    return Wish.CANCEL if status is Status.CANCELED else Wish.FINISH


def stand(report: Report, there: There, *, shared: bool) -> Stand:
    """Say how a build stands that was looked at.

    Where no others use the storage what is in progress is ours. Else we know it by the time.
    """
    ours = not shared or report.phase is Phase.STARTED or _same(report.start, there.start)
    return Stand(there.status, ours)


def decide(wish: Wish, there: Stand | None, *, succeeded: bool = False) -> Decision:
    """Say what to do about a build that is to be told of.

    `there` is None if we are not sure; `succeeded` is what the finish says.
    """
    if there is None:
        return Decision(Step.LOOK)
    if there.status is Word.IN_PROGRESS and not there.is_ours:
        return Decision(Step.DROP if wish is Wish.START else Step.CLOSE, ANOTHER)
    if there.status.ended:
        return _end_there(wish, there.status, succeeded=succeeded)
    match wish, there.status:
        case Wish.CANCEL, _:
            return Decision(Step.CANCEL)
        case Wish.FINISH, Word.IN_PROGRESS:
            return Decision(Step.FINISH)
        case Wish.START, Word.IN_PROGRESS:
            return Decision(Step.STARTED)
    return Decision(Step.START)


def _end_there(wish: Wish, status: Word, *, succeeded: bool) -> Decision:
    if wish is Wish.START:
        return Decision(Step.DROP, _THERE[status])
    told = {Wish.CANCEL: Word.CANCELED, Wish.FINISH: Word.SUCCESS if succeeded else Word.FAIL}
    return Decision(Step.CLOSE, "" if told[wish] is status else _THERE[status])


def meanwhile(report: Report, status: Status, there: There) -> str | None:
    """Say why a build that waits or runs here is no longer wanted, by the storage's list, or None.

    Whether a start that was sent came to pass is not for a list to tell: it may be older.
    """
    if status.ended or report.phase in (Phase.STARTING, Phase.OVER):
        return None
    if there.status is Word.IN_PROGRESS and report.phase is Phase.TAKEN:
        return ANOTHER
    return _THERE.get(there.status)


def _same(ours: datetime | None, theirs: datetime | None) -> bool:
    if ours is None or theirs is None:
        return False
    return abs(ours - theirs) < (_EXACT if theirs.microsecond else _SECOND)
