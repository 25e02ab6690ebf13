"""Which attempts this agent has: accepted, picked up after a restart, stopped.

A slot is taken from the acceptance until the attempt's processes are gone; the delivery of its
result needs none.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog
import trio

from ci import blocking
from ci.agent.attempt import Attempt
from ci.agent.spool import Folder, Spool, Ticket, folder_name
from ci.agent.tools import AgentTools
from ci.errors import Conflict
from ci.model import Reason
from ci.wire.job import Job
from ci.wire.registration import AttemptState

DELIVERY_LIMIT_S: Final = 10.0  # an agent that stops tries this long; its next start goes on
# Of each: attempts that have ended, and those that were refused. A request for one is a late one.
REMEMBERED: Final = 1000
COOKIE_BYTES: Final = 16  # nobody guesses it, no two are alike

T = TypeVar("T")

log = structlog.get_logger()


class Attempts:
    """All attempts of this agent; each runs as a task of `nursery`."""

    def __init__(
        self, data_dir: Path, boot_id: str, slots: int, tools: AgentTools, nursery: trio.Nursery
    ) -> None:
        """`data_dir` is absolute; `boot_id` names this life of the agent."""
        self._boot_id = boot_id
        self.slots = slots
        self.draining = False
        self._spool = Spool(data_dir / "spool")
        self._work = data_dir / "work"
        self._tools = tools
        self._nursery = nursery
        self._attempts: dict[str, Attempt] = {}
        self._done: dict[tuple[str, str], None] = {}  # by id and lease mark
        self._refused: dict[tuple[str, str], str] = {}  # the same; in which words
        self._changed = trio.Event()

    @property
    def busy(self) -> int:
        """How many slots are taken."""
        return sum(not attempt.over.is_set() for attempt in self._attempts.values())

    def states(self) -> list[AttemptState]:
        """Say how each attempt is whose end the server does not have yet."""
        return [attempt.state() for attempt in self._attempts.values() if not attempt.refused]

    @property
    def first_running(self) -> int | str | None:
        """The id of the attempt that has had a slot for longest, None if all are free."""
        running = (each for each in self._attempts.values() if not each.over.is_set())
        return next((each.job.said_id for each in running), None)

    def names(self) -> set[str]:
        """Name the folders of the attempts that there are."""
        return {folder_name(id) for id in self._attempts}

    async def accept(self, job: Job) -> None:
        """Take a job; when this returns it is on disk. Asked twice it is started once.

        Raises Conflict when there is no free slot, or no room on the disk, or when the machine is
        short of something, or when the request has been on its way since before this agent was
        started. What one of our servers was refused is refused for ever: it may have given the
        build to another agent since, and this may be an earlier request that comes late.
        """
        job = self._tools.admission.trim(job)
        key = job.id, job.lease_mark
        if key in self._refused:
            raise Conflict(self._refused[key])
        try:
            await self._take(job)
        except Conflict as refusal:
            if job.protocol > 0:
                self._refused[key] = refusal.message
                _forget_oldest(self._refused)
            raise

    async def _take(self, job: Job) -> None:
        await self._make_way(job)
        room = self._tools.room
        if job.id not in self._attempts:
            await room.look()
        attempt = self._attempts.get(job.id)
        if attempt is not None and _is_other(attempt.job, job.lease_mark):
            if job.lease_mark < attempt.job.lease_mark:  # they sort by time
                raise Conflict("this request is older than the attempt that has its id by now")
            attempt.drop()
            raise Conflict("what had this id before the server's store was restored is being ended")
        if attempt is None:
            # Ids of our servers are used once. Those of others may come again and mean it.
            if job.protocol > 0 and (job.id, job.lease_mark) in self._done:
                return
            # One that comes after a restart may be late, too, and what became of it is forgotten.
            if job.boot_id not in ("", self._boot_id):
                raise Conflict("this request was meant for an earlier life of this agent")
            if self.draining:
                raise Conflict("this agent is stopping and takes no new builds")
            if self.busy >= self.slots:
                raise Conflict(f"no free slot: {self.busy} of {self.slots} are taken")
            if room.problem:
                self._tools.metrics.disk_refusals.inc()
            if problem := self._tools.problem:
                raise Conflict(problem)
            runner = self._tools.runner
            cookie = secrets.token_hex(COOKIE_BYTES)
            ticket = Ticket(job, cookie, runner.boot_id, runner.now())
            attempt = self._add(ticket, self._spool.folder(job.id))
            self._start(attempt, picked_up=False)
        await attempt.wait_accepted()

    async def _make_way(self, job: Job) -> None:
        """End what has this id, if a server of others means another build by it now.

        One that keeps its builds in memory begins anew with each start, and would take the end of
        the old one for that of the new one.
        """
        attempt = self._attempts.get(job.id)
        if attempt is None or job.protocol > 0 or job.asks_same(attempt.job):
            return
        attempt.drop()
        if not attempt.over.is_set():
            raise Conflict("another build that has this id is being ended")
        await self._wait_until(lambda: self._attempts.get(job.id) is not attempt)

    def cancel(self, id: str, lease_mark: str = "") -> None:
        """End an attempt now; one that is unknown, over or not meant is left as it is."""
        attempt = self._attempts.get(id)
        if attempt is not None and not _is_other(attempt.job, lease_mark):
            attempt.stop(Reason.CANCELED)

    def drop(self, id: str, lease_mark: str = "") -> None:
        """End an attempt now, and forget it: the server wants nothing more of it."""
        attempt = self._attempts.get(id)
        if attempt is not None and not _is_other(attempt.job, lease_mark):
            attempt.drop()

    async def pick_up(self) -> None:
        """Go on with what an earlier life of this agent left.

        Raises OSError when the data folder can't be read.
        """
        kept = await blocking.run(self._spool.kept)
        for folder, ticket in kept:
            attempt = self._add(ticket, folder)
            await attempt.remember()
            self._start(attempt, picked_up=True)

    def stop_all(self) -> None:
        """End everything now, because the agent stops."""
        for attempt in self._attempts.values():
            attempt.stop(Reason.AGENT_STOPPING)

    def begin_drain(self) -> None:
        """Take nothing new from now on."""
        self.draining = True
        self._change()

    async def wait_drained(self) -> None:
        """Return after `begin_drain`, when all is over and delivered, or can't be just now."""
        await self._wait_until(lambda: self.draining and self.busy == 0)
        with trio.move_on_after(DELIVERY_LIMIT_S):
            await self._wait_until(lambda: not self._attempts)
        if self._attempts:
            log.warning("results kept for the next start", attempts=list(self._attempts))

    def _add(self, ticket: Ticket, folder: Folder) -> Attempt:
        workspace = self._work / folder.path.name
        attempt = self._attempts[ticket.job.id] = Attempt(ticket, folder, workspace, self._tools)
        return attempt

    def _start(self, attempt: Attempt, *, picked_up: bool) -> None:
        self._nursery.start_soon(self._run, attempt, picked_up)
        self._nursery.start_soon(self._announce_end, attempt)

    async def _run(self, attempt: Attempt, picked_up: bool) -> None:
        accepted = await attempt.run(picked_up=picked_up)
        del self._attempts[attempt.id]
        if accepted:
            self._done[attempt.id, attempt.job.lease_mark] = None
            _forget_oldest(self._done)
        self._change()

    async def _announce_end(self, attempt: Attempt) -> None:
        await attempt.over.wait()
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _wait_until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()


def _forget_oldest(remembered: dict[tuple[str, str], T]) -> None:
    if len(remembered) > REMEMBERED:
        del remembered[next(iter(remembered))]


def _is_other(job: Job, lease_mark: str) -> bool:
    """Whether `job` is not meant: its id was given again, by a server that was restored or lost.

    Who names no mark is believed.
    """
    return "" not in (job.lease_mark, lease_mark) and job.lease_mark != lease_mark
