"""Turns: of all who want one and the same thing, one after the other, in the order they came."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from weakref import WeakValueDictionary

import trio


async def give_way() -> None:
    """Let other tasks have their turn in the midst of long work."""
    await trio.lowlevel.checkpoint()


class Turns:
    """A lock for each key, there as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, trio.Lock] = WeakValueDictionary()

    def turn(self, key: str) -> AbstractAsyncContextManager[None]:
        """Wait until nobody else has the turn at `key`, and keep it for the block."""
        return self._locks.setdefault(key, trio.Lock())
