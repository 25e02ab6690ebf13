"""One life of a program in a story, and its death at a chosen moment.

Whatever a program does to its disk goes through `ci.blocking`, so each such step has a name: that
of the function, or of the store's method whose transaction it is. A life that dies right before a
step has not done it; one that dies right after it has done nothing else. From then on it does
nothing at all: no other step, no request, no answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import trio

NEVER_S: Final = 60.0  # of the mock clock


class Life:
    """One life of a server or an agent. `dies_at` is "before NAME" or "after NAME" of a step."""

    def __init__(self, unplug: Callable[[], object]) -> None:
        """`unplug` takes it off the network."""
        self.scope = trio.CancelScope()
        self.over = trio.Event()
        self.dies_at: str | None = None
        self.slow: dict[str, float] = {}  # name of a step → seconds that it takes
        self._dead = False
        self._unplug = unplug

    def die(self) -> None:
        """End, between two instructions."""
        self._dead = True
        self._unplug()
        self.scope.cancel()

    async def wait_over(self) -> None:
        """Block until it is over.

        Raises AssertionError when it goes on for a minute past all that a test has it do: no step
        has the name at which it should die.
        """
        with trio.move_on_after(NEVER_S):
            await self.over.wait()
        assert self.over.is_set(), f"it never came to {self.dies_at or 'its end'!r}"

    async def do(self, work: partial[Any]) -> Any:
        """Do a step, unless that is where it dies."""
        names = _step_names(work)
        await self._pass_by("before", names)
        if seconds := max(self.slow.get(name, 0) for name in names):
            await trio.sleep(seconds)
        result = work()
        await self._pass_by("after", names)
        return result

    async def _pass_by(self, when: str, names: set[str]) -> None:
        """Die here, if this is the moment."""
        if self.dies_at in {f"{when} {name}" for name in names}:
            self.dies_at = None
            self.die()
        if self._dead:
            await trio.sleep_forever()


def _step_names(work: partial[Any]) -> set[str]:
    """Name a step; a commit has the names of all transactions that share it."""
    if work.func.__qualname__ == "Writer._commit":
        (batch,) = work.args
        return {order.work.__qualname__.split(".<locals>")[0] for order in batch}
    return {work.func.__qualname__}
