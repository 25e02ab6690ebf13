"""A trouble that lasts is told a few times, not each time."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from ci.outage import Outage


async def test_an_outage_is_told_at_its_begin_now_and_then_and_at_its_end(
    autojump_clock: MockClock,
) -> None:
    """With how long it has lasted; the next one begins anew."""
    outage = Outage(remind_s=60)
    assert outage.over() is None
    told = []
    for _ in range(150):
        if (lasted_s := outage.failed()) is not None:
            told.append(lasted_s)
        await trio.sleep(1)
    assert told == [0, 60, 120]
    assert outage.over() == 150
    assert outage.over() is None
    assert outage.failed() == 0
