"""Each next step is right, whatever was lost on the way and whoever else was there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.model import Status
from ci.origin import Origin, Phase, Report
from ci.server.external.decide import Stand, Step, Wish, decide, meanwhile, stand, wish
from ci.server.external.there import There, Word

ORIGIN: Final = Origin("id", "conf", 7)
NOW: Final = datetime(2030, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)
REPORT: Final = Report(ORIGIN, 1, Phase.TAKEN)
LIMIT: Final = 50  # steps; more would be a loop


@dataclass
class Shelf:
    """A storage with one build, and what was accepted of our calls."""

    status: Word = Word.WAITING
    start: datetime | None = None
    starts: int = 0
    ends: int = 0

    def call(self, step: Step, *, succeeded: bool) -> bool:
        """Make a change, if its state allows that."""
        match step, self.status:
            case Step.START, Word.WAITING:
                self.status, self.start = Word.IN_PROGRESS, NOW
                self.starts += 1
            case Step.FINISH, Word.IN_PROGRESS:
                self.status = Word.SUCCESS if succeeded else Word.FAIL
                self.ends += 1
            case Step.CANCEL, Word.WAITING | Word.IN_PROGRESS:
                self.status = Word.CANCELED
                self.ends += 1
            case _:
                return False
        return True


@dataclass
class Here:
    """Our side, as `Reports` goes about it."""

    shelf: Shelf
    report: Report = REPORT
    status: Status = Status.WAITING
    sure: Stand | None = None

    def step(self, luck: str) -> bool:
        """Do one step; `luck` is what becomes of a call. Return whether there was one to do."""
        wanted = wish(self.report.phase, self.status)
        if wanted is Wish.NOTHING:
            return False
        succeeded = self.status is Status.SUCCESS
        step = decide(wanted, self.sure, succeeded=succeeded).step
        match step:
            case Step.LOOK:
                if luck == "works":
                    there = There(ORIGIN, "main", self.shelf.status, self.shelf.start)
                    self.sure = stand(self.report, there, shared=True)
            case Step.STARTED:
                self.report = replace(self.report, phase=Phase.STARTED)
            case Step.CLOSE:
                self.report = replace(self.report, phase=Phase.OVER)
            case Step.DROP:
                self.report = replace(self.report, phase=Phase.OVER)
                self.status = Status.CANCELED
            case _:
                self._tell(step, luck, succeeded=succeeded)
        return True

    def _tell(self, step: Step, luck: str, *, succeeded: bool) -> None:
        if step is Step.START and self.report.phase is Phase.TAKEN:
            self.report = replace(self.report, phase=Phase.STARTING, start=NOW)
        self.sure = None
        done = luck != "fails before" and self.shelf.call(step, succeeded=succeeded)
        if luck != "works" or not done:
            return
        if step is Step.START:
            self.sure = Stand(Word.IN_PROGRESS, is_ours=True)
            self.report = replace(self.report, phase=Phase.STARTED)
        else:
            self.report = replace(self.report, phase=Phase.OVER)


LUCK: Final = st.sampled_from(["works", "fails before", "fails after", "crash"])
EVENTS: Final = st.sampled_from(["run", "success", "failure", "canceled", "cancel there", "taken"])


def _happen(event: str, here: Here, shelf: Shelf) -> bool:
    """Let something happen beside; return whether it was the storage's doing."""
    match event:
        case "run" if here.report.phase is Phase.STARTED and here.status is Status.WAITING:
            here.status = Status.RUNNING
        case "success" | "failure" if here.status is Status.RUNNING:
            here.status = Status(event)
        case "canceled" if not here.status.ended:
            here.status = Status.CANCELED
        case "cancel there" if shelf.status in (Word.WAITING, Word.IN_PROGRESS):
            shelf.status = Word.CANCELED
            return True
        case "taken" if shelf.status is Word.WAITING:
            shelf.status, shelf.start = Word.IN_PROGRESS, NOW + timedelta(seconds=1)
            return True
    return False


@given(st.lists(st.tuples(LUCK, EVENTS), max_size=12), st.sampled_from(list(Status)[2:]))
def test_both_sides_come_to_agree(story: list[tuple[str, str]], end: Status) -> None:
    """Begun and ended once by us at most; what nobody meddled with has our end there."""
    shelf = Shelf()
    here = Here(shelf)
    meddled = False
    for luck, event in story:
        if luck == "crash":
            here.sure = None
        else:
            here.step(luck)
        meddled |= _happen(event, here, shelf)
    for _ in range(LIMIT):
        if not here.step("works"):
            if here.report.phase is Phase.OVER:
                break
            if not here.status.ended:
                here.status = end
    assert here.report.phase is Phase.OVER
    assert shelf.starts <= 1
    assert shelf.ends <= 1
    if not meddled:
        told = {Status.SUCCESS: Word.SUCCESS, Status.CANCELED: Word.CANCELED}
        assert shelf.status is told.get(here.status, Word.FAIL)


@pytest.mark.parametrize(
    ("phase", "there", "dropped"),
    [
        (Phase.TAKEN, Word.WAITING, False),
        (Phase.TAKEN, Word.IN_PROGRESS, True),
        (Phase.TAKEN, Word.CANCELED, True),
        (Phase.STARTING, Word.IN_PROGRESS, False),
        (Phase.STARTING, Word.CANCELED, False),  # its start will find out
        (Phase.STARTED, Word.WAITING, False),  # an old list
        (Phase.STARTED, Word.IN_PROGRESS, False),
        (Phase.STARTED, Word.FAIL, True),
    ],
)
def test_what_the_list_says_of_a_build(phase: Phase, there: Word, dropped: bool) -> None:
    """It may be older than what we have done since; one that has ended here is not its business."""
    listed = There(ORIGIN, "main", there)
    report = replace(REPORT, phase=phase)
    assert (meanwhile(report, Status.WAITING, listed) is not None) == dropped
    assert meanwhile(report, Status.SUCCESS, listed) is None


def test_who_shares_a_storage_knows_a_start_by_its_time() -> None:
    """As exactly as the storage keeps it; who does not, by its being in progress."""
    report = replace(REPORT, phase=Phase.STARTING, start=NOW + timedelta(microseconds=456))
    second = NOW.replace(microsecond=0)
    for start, ours in (
        (NOW, True),
        (NOW + timedelta(microseconds=3333), True),
        (NOW + timedelta(milliseconds=6), False),
        (second, True),
        (second + timedelta(seconds=1), True),
        (second + timedelta(seconds=2), False),
        (second - timedelta(seconds=1), False),
        (None, False),
    ):
        there = There(ORIGIN, "main", Word.IN_PROGRESS, start)
        assert stand(report, there, shared=True).is_ours == ours
        assert stand(report, there, shared=False).is_ours
