"""A trio run that is turned by hand, so that code which is not async can tell a story step by step.

Hypothesis calls the rules of a state machine one after the other and knows no trio. Here trio is
the guest of a queue of callbacks, which is emptied only while a step is under way: between two
steps no task moves and no time passes. The clock is a mock one, and nothing uses a thread.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, TypeVarTuple

import outcome
import trio
import trio.lowlevel
from trio.testing import MockClock

from ci import blocking

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MOST_TURNS: Final = 1_000_000  # of the loop in one step; a step that needs more hangs


class HandLoop:
    """One trio run. Its tasks that outlive a step belong to `nursery`."""

    def __init__(self) -> None:
        self.clock = MockClock(autojump_threshold=0)
        self.nursery: trio.Nursery
        self._turns: deque[Callable[[], object]] = deque()
        self._step: Callable[[], Awaitable[Any]] | None = None
        self._answer: outcome.Outcome[Any] | None = None
        self._end: outcome.Outcome[None] | None = None
        with blocking.inline():
            trio.lowlevel.start_guest_run(
                self._main,
                run_sync_soon_threadsafe=self._turns.append,
                done_callback=self._note_end,
                clock=self.clock,
                host_uses_signal_set_wakeup_fd=True,  # signals are left to pytest
            )

    def do(self, work: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Turn until `work(*args)` has come to its end, and return or raise what it does.

        Raises as well what a task of `nursery` has raised.
        """

        async def step() -> T:
            return await work(*args)

        self._step, self._answer = step, None
        self._turn_until(lambda: self._answer is not None)
        assert self._answer is not None  # that was waited for
        answer: T = self._answer.unwrap()
        return answer

    def close(self) -> None:
        """Cancel all tasks and end the run, unless it has ended by an error that was raised."""
        if self._end is None:
            self._step = self._cancel_all
            self._turn_until(lambda: self._end is not None)
            assert self._end is not None  # that was waited for
            self._end.unwrap()

    def _turn_until(self, holds: Callable[[], bool]) -> None:
        for _ in range(MOST_TURNS):
            if holds():
                return
            if self._end is not None:
                self._end.unwrap()
                raise AssertionError("the run has ended")
            self._turns.popleft()()
        raise AssertionError(f"a step that did not end within {MOST_TURNS} turns")

    async def _main(self) -> None:
        async with trio.open_nursery() as self.nursery:
            while True:
                # Never idle between two steps, or the clock would jump before the next one.
                await trio.lowlevel.checkpoint()
                step, self._step = self._step, None
                if step is not None:
                    self._answer = await outcome.acapture(step)

    async def _cancel_all(self) -> None:
        self.nursery.cancel_scope.cancel()
        await trio.sleep(math.inf)

    def _note_end(self, end: outcome.Outcome[None]) -> None:
        self._end = end
