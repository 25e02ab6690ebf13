"""Chaos: what makes the stand-in as unreliable as what it stands for, when one asks for it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import trio
from quart import Response


class Chaos:
    """Answers slowly, and now and then with 500, before or after the change was made.

    `unstable` is the share of such calls, `slow` the most seconds that one takes; `chance` returns
    0.0 to 1.0.
    """

    def __init__(
        self,
        unstable: float = 0.0,
        slow: float = 0.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._unstable = unstable
        self._slow = slow
        self._chance = chance

    async def pass_by(self, handle: Callable[[], Awaitable[Response]]) -> Response:
        """Let a call be handled, or fail."""
        await trio.sleep(self._slow * self._chance())
        fails = self._chance() < self._unstable
        if fails and self._chance() < 0.5:  # half of them change nothing
            return Response("", 500)
        answer = await handle()
        return Response("", 500) if fails else answer
