"""Who may take what next.

The queue itself is in the store; in memory are only those who wait for it: one task per free
slot, parked in the order in which they became free. A build that begins to wait wakes one of
them whose agent has its labels, so every free slot gets work at once and nobody polls. If that one
takes something else, it wakes the next one for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Protocol

import trio

from ci.errors import StoreFailed
from ci.model import Labels, Lease
from ci.server.store.store import Store

_PUT_BACK_S = 5.0  # a write takes milliseconds; a disk that hangs must not hang the shutdown


class Taker(Protocol):
    """An agent, as the queue sees it."""

    @property
    def name(self) -> str:
        """The agent's name."""

    @property
    def accepting(self) -> bool:
        """Whether it takes work now: online, not paused, not draining."""

    @property
    def labels(self) -> frozenset[str]:
        """What it can do: it takes no build that asks for anything else."""

    def has_peers(self, labels: Labels) -> bool:
        """Whether another agent that has these labels takes work now as well."""

    async def wait_accepting(self) -> None:
        """Block until it takes work."""


class Hold:
    """A lease within `async with`. Set `taken` once the agent may have it."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.taken = False


class _Parked:
    """A free slot that waits to be woken; `turn` is smaller for one that waits for longer."""

    def __init__(self, labels: frozenset[str], turn: int) -> None:
        self.labels = labels
        self.turn = turn
        self.woken = trio.Event()
        self.woken_for: Labels | None = None  # what the build asks for that woke it


class Queue:
    """Hands out leases, oldest first within the highest priority, to agents that have the labels.

    `begin_log` is called with the id of each new attempt before its agent can hear of it.
    """

    def __init__(self, store: Store, begin_log: Callable[[str], None]) -> None:
        self._store = store
        self._begin_log = begin_log
        self._tell_idle: Callable[[], None] = lambda: None
        # By the labels of their agents, of which there are far fewer kinds than slots.
        self._parked: dict[frozenset[str], dict[_Parked, None]] = {}
        self._turns = count()
        self._wakes = 0

    def tell_idle(self, tell: Callable[[], None]) -> None:
        """Call `tell` from now on whenever a free slot has found nothing to do."""
        self._tell_idle = tell

    @property
    def idle(self) -> int:
        """How many free slots have nothing to do."""
        return sum(map(len, self._parked.values()))

    def wake(self, labels: Labels) -> None:
        """Let one free slot look again: a build with `labels` waits, or its wake was not used.

        Of those that can take it, one whose agent can do the least else; then who waits longest.
        """
        self._wakes += 1
        first = [next(iter(each)) for has, each in self._parked.items() if has.issuperset(labels)]
        if first:
            chosen = min(first, key=lambda slot: (len(slot.labels), slot.turn))
            self._leave(chosen)
            chosen.woken_for = labels
            chosen.woken.set()

    @asynccontextmanager
    async def lease(self, taker: Taker) -> AsyncIterator[Hold]:
        """Wait for a job that `taker` may have, and lease it to him.

        If the block is left before `taken` was set, in whatever way, the job waits again.
        """
        hold = Hold(await self._wait_lease(taker))
        try:
            self._begin_log(hold.lease.attempt.id)
            yield hold
        finally:
            if not hold.taken:
                with trio.move_on_after(_PUT_BACK_S) as scope:
                    scope.shield = True
                    await self._store.put_back(hold.lease.attempt.id)

    async def _wait_lease(self, taker: Taker) -> Lease:
        woken_for: Labels | None = None
        while True:
            await taker.wait_accepting()
            wakes = self._wakes
            lease = await self._ask_store(taker, woken_for)
            if lease is not None:
                return lease
            woken_for = await self._park(taker) if wakes == self._wakes else None

    async def _ask_store(self, taker: Taker, woken_for: Labels | None) -> Lease | None:
        """Ask for what is next. If that is not what woke this slot, another one is woken for it."""
        try:
            # Not to be cut off between the commit and its answer: nobody would hold the lease.
            with trio.CancelScope(shield=True):
                lease = await self._store.lease(taker.name, taker.labels, has_peers=taker.has_peers)
        except StoreFailed:
            self._pass_on(woken_for)
            raise
        if lease is not None and lease.build.labels != woken_for:
            self._pass_on(woken_for)
        return lease

    async def _park(self, taker: Taker) -> Labels | None:
        """Wait for a wake, and return what for; None if it was passed on, unused."""
        slot = _Parked(taker.labels, next(self._turns))
        self._parked.setdefault(slot.labels, {})[slot] = None
        self._tell_idle()
        try:
            await slot.woken.wait()
            await trio.lowlevel.checkpoint_if_cancelled()
        except trio.Cancelled:
            self._leave(slot)
            self._pass_on(slot.woken_for)
            raise
        if taker.accepting:
            return slot.woken_for
        self._pass_on(slot.woken_for)
        return None

    def _leave(self, slot: _Parked) -> None:
        """Park a slot no more; one that has been woken is gone already."""
        others = self._parked.get(slot.labels, {})
        others.pop(slot, None)
        if not others:
            self._parked.pop(slot.labels, None)

    def _pass_on(self, labels: Labels | None) -> None:
        if labels is not None:
            self.wake(labels)
