"""A version that lags behind while much happens, and misses nothing."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from ci.server.unhurried import STEP_S, Unhurried


class Followed:
    """A version that a test sets."""

    def __init__(self) -> None:
        self.value = 0

    def __call__(self) -> int:
        """Return it."""
        return self.value


async def test_a_change_after_a_rest_is_told_at_once(mock_clock: MockClock) -> None:
    """On a quiet server nobody waits longer than he asks."""
    followed = Followed()
    shown = Unhurried(followed)
    assert shown.look() == 0
    followed.value = 1
    assert shown.look() == 1
    mock_clock.jump(STEP_S)
    followed.value = 2
    assert shown.look() == 2


async def test_of_many_changes_each_is_told_with_the_next_step(mock_clock: MockClock) -> None:
    """Two in one step are told as one, the last of them included."""
    followed = Followed()
    shown = Unhurried(followed)
    seen = []
    for value in range(1, 101):
        followed.value = value
        seen.append(shown.look())
        mock_clock.jump(STEP_S / 10)
        await trio.lowlevel.checkpoint()
    assert len(set(seen)) == 10
    assert seen == sorted(seen)
    mock_clock.jump(STEP_S)
    assert shown.look() == 100
