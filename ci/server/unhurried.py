"""A version that follows another one, but not each of its steps when these come in haste."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

# Lists ask each 2 s, so half a second more is hardly seen. While builds begin and end all the time,
# a part that all look at is made twice a second, and not for each of them.
STEP_S = 0.5


class Unhurried:
    """Takes a step at once after a rest, and then the next one when `STEP_S` are over.

    It may lag behind what is shown, never run ahead: who was told that nothing is new is told of
    it after the next step.
    """

    def __init__(self, followed: Callable[[], int]) -> None:
        """`followed` returns the version that is followed."""
        self._followed = followed
        self._shown = followed()
        self._stepped_at = -math.inf  # in trio's seconds

    def look(self) -> int:
        """Return the version to be shown now."""
        now = trio.current_time()
        if now - self._stepped_at >= STEP_S and (present := self._followed()) != self._shown:
            self._shown, self._stepped_at = present, now
        return self._shown
