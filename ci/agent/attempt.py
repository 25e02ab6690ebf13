"""One attempt's life on this agent.

Attempt.run
├─ life        checkout → command → end of all processes → result.json → workspace removed
│  ├─ watch    while the command runs: does it print, is the folder there?
│  └─ trimming frees the disk of what is over the log's limit
└─ delivery    log while it runs, then the result; afterwards the folder is removed

What stops an attempt (cancel, time limits, a server that gave it up) cancels the *waiting*; the
processes are ended after that, by nobody else. When the agent itself is cancelled nothing is
ended: the command goes on, and the agent's next life picks it up.

Whatever goes wrong in an attempt, a bug of ours included, is the end of that attempt and of
nothing else: the others run on, and it would go wrong again at each start of the agent. So this
is the one file that catches every Exception, and it logs each with its traceback.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import trio

from ci import blocking, logfile
from ci.agent import ending
from ci.agent.checkout import Checkout
from ci.agent.delivery import Delivery
from ci.agent.environment import command_environment
from ci.agent.line import Line
from ci.agent.mounts import check_ours
from ci.agent.output import Output
from ci.agent.room import Room, is_no_space
from ci.agent.runner import Command, Order, Runner
from ci.agent.spool import Folder, Ticket, remove_or_leave
from ci.agent.trim import serve_trimming
from ci.agent.watch import watch
from ci.errors import CheckoutFailed, Conflict, GivenUp
from ci.model import DEFAULT_LOG_LIMIT, CommitInfo, Outcome, Reason
from ci.repository import shown_url
from ci.wire.registration import AttemptState
from ci.wire.result import MAX_LOG_CHUNK

MAX_FOREIGN_LOG: Final = 8 << 20  # bytes; of more, all servers of others that are known refuse
REDELIVERY_S: Final = 60.0  # after a failure of ours, which a person mends, if at all

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tools:
    """What attempts work with. `address` is what servers of others are told of this agent."""

    runner: Runner
    checkout: Checkout
    room: Room
    line: Line
    address: Mapping[str, Any]


class Attempt:
    """An attempt, from its acceptance to its delivery. `workspace` is an absolute path."""

    def __init__(self, ticket: Ticket, folder: Folder, workspace: Path, tools: Tools) -> None:
        self.id = ticket.job.id
        self.job = ticket.job
        self.over = trio.Event()  # its processes are gone and its end is on disk
        self._ticket = ticket
        self._folder = folder
        self._workspace = workspace
        limit = DEFAULT_LOG_LIMIT if ticket.job.protocol > 0 else MAX_FOREIGN_LOG
        self._output = Output(folder.log, ticket.job.log_limit or limit)
        self._tools = tools
        self._settled = trio.Event()  # it is on disk, or could not be put there
        self._refusal: OSError | None = None
        self._running = trio.Event()  # the command was started, or never will be
        self._waiting = trio.CancelScope()
        self._delivering = trio.CancelScope()
        self._cause: Reason | None = None
        self._dropped = False
        self._command: Command | None = None
        self._commit: CommitInfo | None = None
        self._state = "accepted"
        self._sent = 0  # bytes of log that the server has, as far as can be known at the start

    def state(self) -> AttemptState:
        """Say how it is, for the server and for people."""
        commit = self._commit or CommitInfo("")
        return AttemptState(
            id=self.id,
            lease_mark=self.job.lease_mark,
            state=self._state,
            log_size=self._log_size(),
            commit_hash=commit.commit_hash,
            subject=commit.subject,
            author=commit.author,
            branch=commit.branch,
        )

    def _log_size(self) -> int:
        """Bytes of log, as far as can be seen; a disk that fails must not silence the agent."""
        try:
            return min(logfile.size(self._folder.log), self._output.limit)
        except OSError:
            return 0

    async def remember(self) -> None:
        """Learn from the disk what an earlier life of the agent knew."""
        self._settled.set()
        self._state = "picked up"
        try:
            self._commit = await blocking.run(self._folder.commit)
            # Not from 0: the server has most of it, at least all but one piece, or says so.
            sent = await blocking.run(self._output.so_far, logfile.size(self._folder.log))
            self._sent = max(0, sent.size - MAX_LOG_CHUNK)
        except OSError as error:  # it goes on without
            log.error("not remembered", attempt=self.id, error=str(error))

    async def wait_accepted(self) -> None:
        """Return when the job is on disk. Raises Conflict when the disk says no."""
        await self._settled.wait()
        if self._refusal is not None:
            raise Conflict(f"this agent can't keep the job: {self._refusal.strerror}")

    def stop(self, reason: Reason) -> None:
        """End it now; does nothing when it is being ended already."""
        if self._cause is None and not self.over.is_set():
            self._cause = reason
            self._waiting.cancel()

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
            self._state = "delivering"
            self._running.set()
            self.over.set()
            await blocking.run(remove_or_leave, self._workspace)
        await blocking.run(self._folder.remove)
        return True

    async def _accept(self) -> bool:
        try:
            await blocking.run(check_ours, self._workspace.parent)
            await blocking.run(self._folder.create, self._ticket)
        except OSError as error:
            log.error("job not kept", attempt=self.id, error=str(error))
            await blocking.run(remove_or_leave, self._folder.path)
            self._refusal = error
            self._settled.set()
            return False
        log.info(
            "attempt accepted",
            attempt=self.id,
            repository=shown_url(self.job.repository),
            commit=self.job.commit,
        )
        return True

    async def _deliver(self, result: list[Outcome]) -> None:
        """Send log and result until the server has them or wants none."""
        tools = self._tools
        delivery = Delivery(self.job, self._output, tools.line, tools.address, sent=self._sent)
        with self._delivering:
            await self._running.wait()
            while True:
                try:
                    await delivery.follow(self.over)
                    await delivery.finish(result[0])
                    log.info("attempt delivered", attempt=self.id, next="its folder is removed")
                    break
                except GivenUp:
                    self.drop()
                    break
                except Exception:
                    log.exception("delivery broken", attempt=self.id, again_in_s=REDELIVERY_S)
                    await trio.sleep(REDELIVERY_S)
        if self._dropped:
            log.info("attempt dropped", attempt=self.id, next="nothing of it is delivered")

    async def _keep(self, outcome: Outcome) -> None:
        self._tools.line.metrics.ended.labels(outcome.status, outcome.reason).inc()
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

    async def _live(self, *, picked_up: bool) -> Outcome:
        """Bring the attempt to its end, and all its processes to theirs."""
        if picked_up and (kept := await self._kept_outcome()) is not None:
            return kept
        outcome = await self._contain(partial(self._wait_end, picked_up=picked_up))
        self._state = "ending"
        outcome = await self._contain(partial(self._clear_up, outcome))
        # Of what follows from that, nothing else is worth telling.
        if outcome.reason is not Reason.CANCELED and (gone := await self._missing()) is not None:
            outcome = ending.removed(self._folder.path, gone, outcome)
        await self._keep(outcome)
        return outcome

    async def _kept_outcome(self) -> Outcome | None:
        """Return the end that an earlier life of the agent has seen."""
        try:
            return await blocking.run(self._folder.outcome)
        except OSError as error:
            log.error("result not read", attempt=self.id, error=str(error))
            return None

    async def _contain(self, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Do `work`, with the disk in mind; its failure is an outcome too."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_trimming, self._output, self.id)
                outcome = await work()
                nursery.cancel_scope.cancel()
            return outcome
        except Exception as error:
            if is_no_space(error):
                log.error("disk full", attempt=self.id, error=str(error))
                return await self._no_space()
            log.exception("attempt broken", attempt=self.id)
            return ending.broken(error)

    async def _missing(self) -> Path | None:
        started = self._command is not None
        return await blocking.run(lambda: self._folder.missing(started=started))

    async def _wait_end(self, *, picked_up: bool) -> Outcome:
        if picked_up:
            await self._find_command()
        if self._ticket.machine_boot != self._tools.runner.boot_id:
            # An exit code may be on disk and the end of the log not: nobody has synced either.
            return ending.machine_restarted()
        # Its own end counts, even if its time is over by now: it may have come long ago.
        if picked_up and self._cause is None and (code := await self._exit_code()) is not None:
            return ending.exited(code)
        return await self._wait_or_stop()

    async def _clear_up(self, outcome: Outcome) -> Outcome:
        """End what is left of the command, and add to its outcome what is known only then."""
        if self._command is not None:
            await self._command.kill()
        return replace(
            outcome,
            duration_s=max(0.0, self._tools.runner.now() - self._ticket.accepted_at),
            log_size=logfile.size(self._folder.log),
            commit=self._commit,
        )

    async def _find_command(self) -> None:
        if self._ticket.machine_boot == self._tools.runner.boot_id:
            self._command = await self._tools.runner.find(
                self._folder, self._ticket.cookie, self._workspace
            )
        self._cause = self._cause or await blocking.run(self._folder.stop)
        log.info("attempt picked up", attempt=self.id, started=self._command is not None)

    async def _exit_code(self) -> int | None:
        return await blocking.run(self._folder.exit_code)

    async def _wait_or_stop(self) -> Outcome:
        self._waiting.deadline = self._deadline()
        if self._cause is not None:
            self._waiting.cancel()
        with self._waiting:
            await trio.lowlevel.checkpoint()
            return await self._work()
        reason = self._cause or Reason.TIMEOUT
        log.info("attempt stopping", attempt=self.id, reason=reason)
        try:
            await blocking.run(self._folder.save_stop, reason)
        except OSError as error:  # it is stopped all the same; only a next life would not know why
            log.error("stop not kept", attempt=self.id, error=str(error))
        frozen = False
        if self._command is not None and reason in (Reason.SILENCE, Reason.TIMEOUT):
            frozen = await self._command.is_stopped()
        return ending.stopped(reason, self.job.timeout_s, self.job.silence_s, frozen=frozen)

    def _deadline(self) -> float:
        """When its time is over, in trio's seconds. The checkout counts, a restart goes on."""
        if self.job.timeout_s is None:
            return math.inf
        used_s = self._tools.runner.now() - self._ticket.accepted_at
        return trio.current_time() + self.job.timeout_s - used_s

    async def _work(self) -> Outcome:
        if self._command is None:
            try:
                await self._check_out()
            except CheckoutFailed as error:
                return await self._explain(error)
            try:
                await self._start()
            except OSError as error:
                return ending.refused(error)
            log.info("command started", attempt=self.id)
        assert self._command is not None
        self._state = "running"
        self._running.set()
        code = await self._wait_exit(self._command)
        if code != 0 and await self._tools.room.is_full():
            return await self._no_space()  # that is no verdict on the commit
        return ending.exited(code) if code is not None else ending.killed()

    async def _check_out(self) -> None:
        self._state = "checkout"
        began = trio.current_time()
        self._commit = await self._tools.checkout.make(
            self.job.repository, self.job.commit, self._workspace, self._ticket.cookie
        )
        took_s = trio.current_time() - began
        self._tools.line.metrics.checkout_s.observe(took_s)
        log.info("commit found", attempt=self.id, commit=self._commit.commit_hash, took_s=took_s)
        await blocking.run(self._folder.save_commit, self._commit)

    async def _start(self) -> None:
        assert self._commit is not None
        environment = command_environment(
            self.job, self._commit.commit_hash, self._commit.branch, self._workspace
        )
        self._command = await self._tools.runner.start(
            Order(self.job.command, self._workspace, environment, self._folder, self._ticket.cookie)
        )

    async def _explain(self, error: CheckoutFailed) -> Outcome:
        """Make the log of an attempt that has no command's: git's words."""
        text = str(error)
        if is_no_space(error) or await self._tools.room.is_full():
            return await self._no_space(text)
        if await self._missing() is None:  # nor is a folder made again that was removed
            await blocking.run(logfile.append, self._folder.log, 0, text.encode() + b"\n")
        return ending.failed(Reason.CHECKOUT_FAILED, text)

    async def _no_space(self, words: str = "") -> Outcome:
        return ending.failed(Reason.DISK_FULL, await self._tools.room.full(words))

    async def _wait_exit(self, command: Command) -> int | None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, self._folder, self.job.silence_s, self.stop)
            code = await command.wait()
            nursery.cancel_scope.cancel()
        return code
