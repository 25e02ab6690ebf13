"""How busy agents were: every second of a slot is counted once, in its half hour."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.model import Agent, AgentState, BuildRequest, Outcome, Reason, Status
from ci.server.store.store import Store, open_store
from ci.server.usage import BIN_S, BINS, Bins, Usage, spread
from ci.server.views import AgentUse, AgentView

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
GOOD = Outcome(Status.SUCCESS, Reason.EXITED, exit_code=0, duration_s=1, log_size=0)
DAY_S = BIN_S * BINS
TIMES = st.floats(0, 2 * DAY_S)


@given(began=TIMES, took=TIMES)
def test_each_second_is_in_one_half_hour(began: float, took: float) -> None:
    """None is lost but those of more than a day ago."""
    parts = list(spread(began, began + took))
    assert sum(seconds for _, seconds in parts) == pytest.approx(min(took, DAY_S), abs=1e-6)
    for bin, seconds in parts:
        assert 0 < seconds <= BIN_S
        assert math.floor(began / BIN_S) <= bin <= (began + took) / BIN_S
    assert list(spread(began, began - 1)) == []  # the clock was set back meanwhile


@given(spans=st.lists(st.tuples(TIMES, TIMES), max_size=9), now=TIMES)
def test_shares_are_shares(spans: list[tuple[float, float]], now: float) -> None:
    """One for each half hour, from nothing to all, whatever the times are."""
    bins = Bins()
    for began, ended in spans:
        bins.add(began, ended)
    bins.forget(now)
    use = bins.use(now, [began for began, _ in spans], slots=2)
    assert len(use.shares) == BINS
    assert all(0 <= share <= 1 for share in use.shares)
    assert 0 <= use.mean <= 1
    assert 0 <= use.ended <= len(spans)


def test_by_hand() -> None:
    """One of two slots was busy for the first half of an hour, and one is since ten minutes."""
    bins = Bins()
    bins.add(DAY_S, DAY_S + BIN_S)
    use = bins.use(DAY_S + 2 * BIN_S + 600, [DAY_S + 2 * BIN_S], slots=2)
    assert use.shares[-3:] == (0.5, 0, 0.5)
    assert use.ended == 1


class Clock:
    """The time of day, as the test says."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        """Tell it."""
        return self.time

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


async def _run(store: Store, clock: Clock, seconds: float) -> None:
    await store.accept(BuildRequest("demo", "/srv/demo", "main", "make"))
    lease = await store.lease("one")
    assert lease is not None
    clock.pass_(seconds)
    await store.end(lease.attempt.id, GOOD, delivered=True)


async def test_a_look_reads_only_what_is_new_and_counts_it_once(tmp_path: Path) -> None:
    """What it says is what a fresh look, as after a restart, would read; a day later it is gone."""
    clock = Clock()
    agent = Agent("one", "h", 1, 1, (), "0", "b", "h", True, False, NOON, NOON)
    view = AgentView(agent, AgentState.ONLINE, NOON, ())
    async with open_store(tmp_path, clock.now) as store:
        await store.save_agent(agent)
        followed = Usage(store, clock.now)

        async def look() -> AgentUse:
            use = (await followed.look([view]))["one"]
            assert use == (await Usage(store, clock.now).look([view]))["one"]
            return use

        assert await look() == AgentUse((0.0,) * BINS, 0)
        for seconds in (900, 450):
            await _run(store, clock, seconds)
            await look()
        use = await look()
        assert use.ended == 2
        assert use.shares[-1] == pytest.approx(1)  # 22.5 of 22.5 minutes of this half hour
        clock.pass_(BIN_S)
        assert (await look()).shares[-2:] == pytest.approx((1350 / BIN_S, 0))
        clock.pass_(DAY_S)
        assert await look() == AgentUse((0.0,) * BINS, 0)
