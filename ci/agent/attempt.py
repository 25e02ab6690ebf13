"""One attempt on this agent, from its acceptance to its delivery.

Attempt.run
├─ life        ci/agent/life.py: checkout → command → end of all processes; then result.json
└─ delivery    log while it runs, then the result; afterwards the folder is removed
"""

from __future__ import annotations

import errno
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent.bubblewrap import scratch_of
from ci.agent.delivery import Delivery
from ci.agent.life import Life
from ci.agent.output import Output
from ci.agent.removal import remove_or_leave
from ci.agent.spool import Folder, Ticket
from ci.agent.tools import AgentTools
from ci.errors import Conflict, GivenUp
from ci.model import DEFAULT_LOG_LIMIT, CommitInfo, Outcome, Reason
from ci.repository import shown_url
from ci.wire.registration import AttemptState
from ci.wire.result import MAX_LOG_CHUNK

MAX_FOREIGN_LOG: Final = 8 << 20  # bytes; of more, all servers of others that are known refuse
# Files are removed after the server was told, for which somebody may wait, but not long after: the
# disk needs the room, and the server may be away.
TELL_FIRST_S: Final = 0.1
REDELIVERY_S: Final = 60.0  # after a failure of ours, which a person mends, if at all

KEEP_LIMIT_S: Final = (
    2.0  # for a write of some kB; a server waits 5 s for the answer, looks included
)

log = structlog.get_logger()


class Attempt:
    """An attempt, from its acceptance to its delivery. `workspace` is an absolute path."""

    def __init__(self, ticket: Ticket, folder: Folder, workspace: Path, tools: AgentTools) -> None:
        self.id = ticket.job.id
        self.job = ticket.job
        self.over = trio.Event()  # its processes are gone and its end is on disk
        self._ticket = ticket
        self._folder = folder
        self._workspace = workspace
        limit = DEFAULT_LOG_LIMIT if ticket.job.protocol > 0 else MAX_FOREIGN_LOG
        self._output = Output(folder.log, ticket.job.log_limit or limit)
        self._tools = tools
        self._life = Life(ticket, folder, workspace, self._output, tools)
        self._settled = trio.Event()  # it is on disk, or could not be put there
        self._refusal: OSError | None = None
        self._delivering = trio.CancelScope()
        self._told = trio.Event()  # its server has the end, or wants none
        self._dropped = False
        self._sent = 0  # bytes of log that the server has, as far as can be known at the start

    def state(self) -> AttemptState:
        """Say how it is, for the server and for people."""
        commit = self._life.commit or CommitInfo("")
        return AttemptState(
            id=self.id,
            lease_mark=self.job.lease_mark,
            state="delivering" if self.over.is_set() else self._life.phase,
            log_size=min(self._output.seen, self._output.limit),
            commit_hash=commit.commit_hash,
            subject=commit.subject,
            author=commit.author,
            branch=commit.branch,
        )

    async def remember(self) -> None:
        """Learn from the disk what an earlier life of the agent knew."""
        self._settled.set()
        self._life.phase = "picked up"
        try:
            self._life.commit = await blocking.run(self._folder.commit)
            self._life.checkout_s = await blocking.run(self._folder.checkout_s)
            # Not from 0: the server has most of it, at least all but one piece, or says so.
            sent = await blocking.run(self._output.so_far, await self._output.look())
            self._sent = max(0, sent.size - MAX_LOG_CHUNK)
        except OSError as error:  # it goes on without
            log.error("not remembered", attempt=self.id, error=str(error))

    @property
    def refused(self) -> bool:
        """Whether it was never taken: the disk said no, or nothing."""
        return self._refusal is not None

    async def wait_accepted(self) -> None:
        """Return when the job is on disk. Raises Conflict when the disk says no, or nothing."""
        await self._settled.wait()
        if self._refusal is not None:
            raise Conflict(f"this agent can't keep the job: {self._refusal.strerror}")

    def stop(self, reason: Reason) -> None:
        """End it now; does nothing when it is being ended already."""
        if not self.over.is_set():
            self._life.stop(reason)

    def drop(self) -> None:
        """End it now and deliver nothing: the server wants nothing more of it."""
        self._dropped = True
        self.stop(Reason.CANCELED)
        self._delivering.cancel()

    async def run(self, *, picked_up: bool) -> bool:
        """Live; return whether it did, that is, whether the job could be put on disk.

        Cancellation: the command is left alone and everything stays on disk.
        """
        if not picked_up and not await self._accept():
            self.over.set()
            return False
        self._settled.set()
        async with trio.open_nursery() as nursery:
            result: list[Outcome] = []
            nursery.start_soon(self._deliver, result)
            result.append(await self._live(picked_up=picked_up))
            self._life.running.set()
            self.over.set()
            with trio.move_on_after(TELL_FIRST_S):
                await self._told.wait()
            await blocking.run(self._remove_workspace)
        await blocking.run(self._folder.remove)
        return True

    def _remove_workspace(self) -> None:
        remove_or_leave(self._workspace)
        remove_or_leave(scratch_of(self._workspace))

    async def _accept(self) -> bool:
        """Put the job on disk; whether that was done in time."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._lose_patience)
            await self._put_on_disk()
            nursery.cancel_scope.cancel()
        if self._refusal is not None:
            await blocking.run(remove_or_leave, self._folder.path)
            return False
        log.info(
            "attempt accepted",
            attempt=self.id,
            repository=shown_url(self.job.repository),
            commit=self.job.commit,
        )
        return True

    async def _put_on_disk(self) -> None:
        try:
            await blocking.run(self._folder.create, self._ticket)
        except OSError as error:
            self._refuse(error)

    async def _lose_patience(self) -> None:
        """Refuse the job when the disk hangs; what it still writes of it is removed then."""
        await trio.sleep(KEEP_LIMIT_S)
        room = self._tools.room
        room.hanging += 1
        try:
            self._refuse(TimeoutError(errno.ETIMEDOUT, f"the disk hangs for {KEEP_LIMIT_S:g} s"))
            await room.look()
            await trio.sleep_forever()
        finally:
            room.hanging -= 1

    def _refuse(self, error: OSError) -> None:
        if self._refusal is None:
            log.error("job not kept", attempt=self.id, error=str(error))
            self._refusal = error
        self._settled.set()

    async def _live(self, *, picked_up: bool) -> Outcome:
        """Bring it to its end, unless an earlier life of the agent has seen that; and keep it."""
        if picked_up and (kept := await self._kept_outcome()) is not None:
            return kept
        outcome = await self._life.run(picked_up=picked_up)
        await self._keep(outcome)
        return outcome

    async def _kept_outcome(self) -> Outcome | None:
        try:
            return await blocking.run(self._folder.outcome)
        except OSError as error:
            log.error("result not read", attempt=self.id, error=str(error))
            return None

    async def _keep(self, outcome: Outcome) -> None:
        self._tools.metrics.ended.labels(outcome.status, outcome.reason).inc()
        log.info(
            "attempt ended",
            attempt=self.id,
            status=outcome.status,
            reason=outcome.reason,
            exit_code=outcome.exit_code,
            duration_s=outcome.duration_s,
            log_size=outcome.log_size,
        )
        if not self._dropped:
            try:
                await blocking.run(self._folder.save_outcome, outcome)
            except OSError as error:  # a full disk is no reason not to deliver
                log.error("result not kept", attempt=self.id, error=str(error))

    async def _deliver(self, result: list[Outcome]) -> None:
        """Send log and result until the server has them or wants none."""
        tools = self._tools
        delivery = Delivery(
            self.job,
            self._output,
            tools.line,
            tools.address,
            dialect=tools.dialect,
            sent=self._sent,
        )
        with self._delivering:
            await self._life.running.wait()
            while True:
                try:
                    await tools.scarcity.insist(self.id, partial(self._send, delivery, result))
                    log.info("attempt delivered", attempt=self.id, next="its folder is removed")
                    break
                except GivenUp:
                    self.drop()
                    break
                except Exception:  # as in its life
                    log.exception("delivery broken", attempt=self.id, again_in_s=REDELIVERY_S)
                    await trio.sleep(REDELIVERY_S)
        self._told.set()
        if self._dropped:
            log.info("attempt dropped", attempt=self.id, next="nothing of it is delivered")

    async def _send(self, delivery: Delivery, result: list[Outcome]) -> None:
        await delivery.follow(self.over)
        await delivery.finish(result[0])
