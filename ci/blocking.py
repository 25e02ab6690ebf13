"""The only door to a thread.

A thread that a mock clock does not know of lets the clock leap to the next deadline, so tests
that mock the clock open `inline()` around a whole run: then the work is done on the spot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Do = Callable[[partial[Any]], Awaitable[Any]]

_inline: ContextVar[Do | None] = ContextVar("_inline", default=None)


_NO_THREAD: Final = "can't start new thread"  # Python's words, in an error without a number


async def run(
    work: Callable[[*Ts], T],
    *args: *Ts,
    limiter: trio.CapacityLimiter | None = None,
    only_looks: bool = False,
) -> T:
    """Run `work(*args)`, which may block on the disk, without holding up other tasks.

    Trio's threads are shared with look-ups of host names, which may hang; work that nothing may
    hold up has a `limiter` of its own. Where the system has no thread left for us, the work is
    done on the spot: it may be what ends the processes that took them all.
    Cancellation: none while the thread runs; whatever it has begun is finished first. Work that
    `only_looks` changes nothing: it is left alone in its thread, and keeps its place in `limiter`.
    """
    if (do := _inline.get()) is not None:
        await trio.lowlevel.checkpoint()
        done: T = await do(partial(work, *args))
        return done
    try:
        return await trio.to_thread.run_sync(
            work, *args, limiter=limiter, abandon_on_cancel=only_looks
        )
    except RuntimeError as error:
        if not lacks_thread(error):
            raise
    return work(*args)


def lacks_thread(error: RuntimeError) -> bool:
    """Whether something failed because the system has no thread left for us."""
    return str(error) == _NO_THREAD


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
