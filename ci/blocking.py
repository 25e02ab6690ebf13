"""The only door to a thread.

A thread that a mock clock does not know of lets the clock leap to the next deadline, so tests
that mock the clock open `inline()` around a whole run: then the work is done on the spot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Do = Callable[[partial[Any]], Awaitable[Any]]

_inline: ContextVar[Do | None] = ContextVar("_inline", default=None)


async def run(
    work: Callable[[*Ts], T], *args: *Ts, limiter: trio.CapacityLimiter | None = None
) -> T:
    """Run `work(*args)`, which may block on the disk, without holding up other tasks.

    Trio's threads are shared with look-ups of host names, which may hang; work that nothing may
    hold up has a `limiter` of its own.
    Cancellation: none while the thread runs; whatever it has begun is finished first.
    """
    if (do := _inline.get()) is not None:
        await trio.lowlevel.checkpoint()
        done: T = await do(partial(work, *args))
        return done
    return await trio.to_thread.run_sync(work, *args, limiter=limiter)


async def _at_once(work: partial[T]) -> T:
    return work()


@contextmanager
def inline(do: Do = _at_once) -> Iterator[None]:
    """Do blocking work on the spot, in this task and in all that it starts.

    `do` is given each piece of work and does it, or not: a test that dies there.
    """
    token = _inline.set(do)
    try:
        yield
    finally:
        _inline.reset(token)
