"""The only door to a thread.

A thread that a mock clock does not know of lets the clock leap to the next deadline, so tests
that mock the clock open `inline()` around a whole run: then the work is done on the spot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_inline: ContextVar[bool] = ContextVar("_inline", default=False)


async def run(
    work: Callable[[*Ts], T], *args: *Ts, limiter: trio.CapacityLimiter | None = None
) -> T:
    """Run `work(*args)`, which may block on the disk, without holding up other tasks.

    Trio's threads are shared with look-ups of host names, which may hang; work that nothing may
    hold up has a `limiter` of its own.
    Cancellation: none while the thread runs; whatever it has begun is finished first.
    """
    if _inline.get():
        await trio.lowlevel.checkpoint()
        return work(*args)
    return await trio.to_thread.run_sync(work, *args, limiter=limiter)


@contextmanager
def inline() -> Iterator[None]:
    """Do blocking work on the spot, in this task and in all that it starts."""
    token = _inline.set(True)
    try:
        yield
    finally:
        _inline.reset(token)
