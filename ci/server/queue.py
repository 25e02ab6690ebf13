"""Who may take what next.

The queue itself is in the store; in memory are only those who wait for it: one task per free
slot, parked in the order in which they became free. A build that begins to wait wakes one of
them, so every free slot gets work at once and nobody polls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from ci.errors import StoreFailed
from ci.model import Lease
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
    def has_peers(self) -> bool:
        """Whether another agent takes work now as well."""

    async def wait_accepting(self) -> None:
        """Block until it takes work."""


class Hold:
    """A lease within `async with`. Set `taken` once the agent may have it."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.taken = False


class Queue:
    """Hands out leases, oldest first within the highest priority.

    `begin_log` is called with the id of each new attempt before its agent can hear of it.
    """

    def __init__(self, store: Store, begin_log: Callable[[str], None]) -> None:
        self._store = store
        self._begin_log = begin_log
        self._free_slots = trio.lowlevel.ParkingLot()
        self._wakes = 0

    def wake(self) -> None:
        """Let one free slot look again: a build has begun to wait, or a wake was not used."""
        self._wakes += 1
        self._free_slots.unpark(count=1)

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
        while True:
            await taker.wait_accepting()
            wakes = self._wakes
            lease = await self._ask_store(taker)
            if lease is not None:
                return lease
            if wakes == self._wakes:
                await self._park(taker)

    async def _ask_store(self, taker: Taker) -> Lease | None:
        try:
            # Not to be cut off between the commit and its answer: nobody would hold the lease.
            with trio.CancelScope(shield=True):
                lease = await self._store.lease(taker.name, has_peers=taker.has_peers)
        except StoreFailed:
            self.wake()
            raise
        return lease

    async def _park(self, taker: Taker) -> None:
        """Wait for a wake; pass it on if it can't be used here."""
        try:
            await self._free_slots.park()
            await trio.lowlevel.checkpoint_if_cancelled()
        except trio.Cancelled:
            self.wake()
            raise
        if not taker.accepting:
            self.wake()
