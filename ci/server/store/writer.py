"""Group commit: one task writes, and what came in meanwhile shares one transaction.

A durable commit waits for the disk (about 0.5 ms). While one is under way all further work
gathers and goes into the next, so that many requests share the wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import outcome
import structlog
import trio
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, OperationalError

from ci import blocking
from ci.errors import Busy, StoreFailed
from ci.outage import Outage
from ci.server.metrics import Metrics
from ci.server.store.damage import Damage, is_damage

T = TypeVar("T")

MAX_BATCH = 256  # so that one transaction never holds the file for long
# Orders that may wait for their turn: about two seconds of work, which nobody takes for a hang.
MAX_ORDERS = 1000
# The same with those of agents. People can't shut them out, and each slot has one end to tell, so
# so many come only from agents that repeat what a disk that hangs has not answered.
MAX_AGENT_ORDERS = 5000
REMIND_S = 60.0  # between two log lines about a disk that still refuses

log = structlog.get_logger()


class _Order:
    """A piece of work, and what came of it."""

    def __init__(
        self,
        work: Callable[[Connection], Any],
        then: Callable[[Any], None] | None,
        *,
        shown: bool,
    ) -> None:
        self.work = work
        self.then = then
        self.shown = shown
        self.done = trio.Event()
        self.result: outcome.Outcome[Any] | None = None

    def fail(self, message: str) -> None:
        """Note that it was not done. Each order has an error of its own: it is raised but once."""
        self.result = outcome.Error(StoreFailed(message))

    def finish(self) -> None:
        """Do what follows from the commit, whether or not somebody still waits for it."""
        if self.then is not None and isinstance(self.result, outcome.Value):
            self.then(self.result.value)
        self.done.set()


class Writer:
    """Runs work on the one connection that writes."""

    def __init__(
        self,
        connection: Connection,
        metrics: Metrics,
        check_in_place: Callable[[], None],
        damage: Damage,
    ) -> None:
        """`check_in_place` raises StoreFailed when what is written would not be found again."""
        self._connection = connection
        self._metrics = metrics
        self._check_in_place = check_in_place
        self._damage = damage
        self._outage = Outage(REMIND_S)
        self._waiting: list[_Order] = []
        self._wake = trio.Event()
        self._ended = False
        # Not one of the shared threads: a look-up that hangs must not hold up a commit.
        self._limiter = trio.CapacityLimiter(1)
        self.problem: str | None = None  # why the last commit was refused, for people
        self.version = 0  # grows with every commit that a page might show

    async def run(
        self,
        work: Callable[[Connection], T],
        *,
        then: Callable[[T], None] | None = None,
        shown: bool = True,
        most: int | None = None,
        only_for_caller: bool = False,
    ) -> T:
        """Return what `work(connection)` returned, once it is on disk.

        `work` is one transaction: when it raises, nothing of it stays. `then(result)` is called
        right after the commit; it belongs to the commit, not to the caller, who may have left.
        Raises what `work` raises, StoreFailed when the disk says no, and Busy when `most` changes
        wait already. What our own tasks have to write has no `most`; that is some for each slot.
        Cancellation: the work may still be done, and then `then` is called as well; work that is
        `only_for_caller` is left out if it has not begun.
        """
        if self._ended:
            raise StoreFailed("the store is closed")
        if most is not None and len(self._waiting) >= most:
            raise Busy(
                f"the store can't keep up: {len(self._waiting)} changes wait to be written; "
                "nothing was changed, try again"
            )
        order = _Order(work, then, shown=shown)
        self._waiting.append(order)
        self._wake.set()
        try:
            await order.done.wait()
        except trio.Cancelled:
            if only_for_caller and order in self._waiting:
                self._waiting.remove(order)
            raise
        assert order.result is not None  # set before `done` is
        result: T = order.result.unwrap()
        return result

    async def serve_writes(self) -> None:
        """Commit what is waiting, for ever. However this ends, nobody is left waiting."""
        batch: list[_Order] = []
        try:
            while True:
                await self._wake.wait()
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                if not self._waiting:
                    self._wake = trio.Event()
                if batch:  # else all of them were taken back
                    await self._serve(batch)
        finally:
            self._ended = True
            for order in batch + self._waiting:
                if not order.done.is_set():
                    order.fail("the store was closed")  # it may be on disk: nobody can tell now
                    order.done.set()

    async def _serve(self, batch: list[_Order]) -> None:
        began = trio.current_time()
        try:
            await blocking.run(self._commit, batch, limiter=self._limiter)
        except OperationalError as error:
            self._failed(batch, str(error.orig), "free space on its disk")
        except DatabaseError as error:
            if (damaged := self._damage.found_by(error)) is None:
                raise
            self._failed(batch, damaged.message, "restore a back-up")
        except StoreFailed as error:
            advice = "put it back, or stop the server and restore a back-up"
            self._failed(batch, error.message, advice)
        else:
            self.problem = None
            self._worked(trio.current_time() - began, len(batch))
        self.version += any(order.shown for order in batch)
        for order in batch:
            order.finish()

    def _worked(self, seconds: float, changes: int) -> None:
        self._metrics.commit_s.observe(seconds)
        self._metrics.batch.observe(changes)
        if (lasted_s := self._outage.over()) is not None:
            log.info("store writes again", after_s=lasted_s)

    def _failed(self, batch: list[_Order], error: str, advice: str) -> None:
        self.problem = f"the store can't write: {error}; {advice}"
        for order in batch:
            order.fail(self.problem)
        self._metrics.failed_commits.inc()
        lasted_s = self._outage.failed()
        if lasted_s == 0:
            log.error("store can't write", error=error, next="requests that change are refused")
        elif lasted_s is not None:
            log.error("store still can't write", for_s=lasted_s, error=error)

    def _commit(self, batch: list[_Order]) -> None:
        with self._connection.begin():
            for order in batch:
                self._do(order)
            # Last of all: nothing is answered that goes into a file which nobody finds again.
            self._check_in_place()

    def _do(self, order: _Order) -> None:
        """Do one piece of work; if it fails it is undone alone, and its caller is told."""
        savepoint = self._connection.begin_nested()
        try:
            order.result = outcome.Value(order.work(self._connection))
        except OperationalError:
            raise  # a full disk has already made SQLite roll back the whole transaction
        except Exception as error:  # raised again where the work was ordered
            if is_damage(error):
                raise  # nothing that is written now would be found again
            savepoint.rollback()
            order.result = outcome.Error(error)
        else:
            savepoint.commit()
