"""What one attempt does on this agent, until it has ended and nothing of it runs.

Life.run
├─ checkout
├─ command
│  ├─ watch    while the command runs: does it print, is the folder there?
│  ├─ memory   while it runs, where that is limited: has it too much?
│  ├─ masking  brings what it prints into the log, if it has secrets
│  └─ trimming frees the disk of what is over the log's limit
└─ the end of all its processes

What stops an attempt (cancel, time limits, a server that gave it up) cancels the *waiting*; the
processes are ended after that, by nobody else. When the agent itself is cancelled nothing is
ended: the command goes on, and the agent's next life picks it up.

Whatever goes wrong here, a bug of ours included, is the end of this attempt and of nothing else:
the others run on, and it would go wrong again at each start of the agent. So every Exception is
caught here, and logged with its traceback. What the machine lacks only for a while ends nothing.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
import trio

from ci import blocking, logfile
from ci.agent import ending
from ci.agent.admission import NotAllowed, without_relative_folders
from ci.agent.environment import command_environment
from ci.agent.lent import Lent
from ci.agent.memory import watch_memory
from ci.agent.output import Output
from ci.agent.room import is_no_space
from ci.agent.runner import Command, NeverBegan, Order
from ci.agent.spool import Folder, Ticket
from ci.agent.tools import Tools
from ci.agent.trim import serve_trimming
from ci.agent.watch import watch
from ci.errors import CheckoutFailed
from ci.model import CommitInfo, Outcome, Reason

T = TypeVar("T")

log = structlog.get_logger()


class Life:
    """The way of an accepted attempt to its end. `workspace` is an absolute path."""

    def __init__(
        self, ticket: Ticket, folder: Folder, workspace: Path, output: Output, tools: Tools
    ) -> None:
        self.phase = "accepted"  # in a word, for the server and for people
        self.commit: CommitInfo | None = None  # what the checkout has found
        self.checkout_s: float | None = None  # from its acceptance until that
        self.running = trio.Event()  # the command was started, or never will be
        self._id = ticket.job.id
        self._job = ticket.job
        self._ticket = ticket
        self._folder = folder
        self._workspace = workspace
        self._output = output
        self._tools = tools
        self._lent = Lent(ticket, folder, tools)
        self._waiting = trio.CancelScope()
        self._cause: Reason | None = None
        self._command: Command | None = None

    def stop(self, reason: Reason) -> None:
        """End it now; does nothing when it is being ended already."""
        if self._cause is None:
            self._cause = reason
            self._waiting.cancel()

    async def run(self, *, picked_up: bool) -> Outcome:
        """Bring the attempt to its end, and all its processes to theirs.

        Cancellation: the command is left alone.
        """
        outcome = await self._contain(partial(self._wait_end, picked_up=picked_up))
        self.phase = "ending"
        outcome = await self._contain(partial(self._clear_up, outcome))
        # Of what follows from that, nothing else is worth telling.
        if outcome.reason is not Reason.CANCELED and (gone := await self._missing()) is not None:
            outcome = ending.removed(self._folder.path, gone, outcome)
        self.running.set()
        return self._lent.mask_outcome(outcome)

    async def _contain(self, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Do `work`, with the disk in mind; its failure is an outcome too."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_trimming, self._output, self._id)
                outcome = await work()
                nursery.cancel_scope.cancel()
            return outcome
        except Exception as error:
            if is_no_space(error):
                log.error("disk full", attempt=self._id, error=str(error))
                return await self._no_space()
            log.exception("attempt broken", attempt=self._id)
            return ending.broken(error)

    async def _insist(self, work: Callable[[], Awaitable[T]]) -> T:
        return await self._tools.scarcity.insist(self._id, work)

    async def _missing(self) -> Path | None:
        started = self._command is not None
        return await blocking.run(lambda: self._folder.missing(started=started))

    async def _wait_end(self, *, picked_up: bool) -> Outcome:
        if picked_up:
            await self._insist(self._lent.remember)
            await self._insist(self._find_command)
        if self._ticket.machine_boot != self._tools.runner.boot_id:
            # An exit code may be on disk and the end of the log not: nobody has synced either.
            return ending.machine_restarted()
        # Its own end counts, even if its time is over by now: it may have come long ago.
        if picked_up and self._cause is None:
            code = await self._insist(lambda: blocking.run(self._folder.exit_code))
            if code is not None:
                return ending.exited(code)
        return await self._wait_or_stop()

    async def _clear_up(self, outcome: Outcome) -> Outcome:
        """End what is left of the command, and add to its outcome what is known only then."""
        if self._command is not None:
            await self._insist(self._command.kill)
        missing = await self._lent.forget(self._insist)
        return replace(
            outcome,
            message=" ".join(filter(None, (outcome.message, missing))),
            duration_s=self._used_s(),
            log_size=await self._output.look(),
            commit=self.commit,
            checkout_s=self.checkout_s,
        )

    async def _find_command(self) -> None:
        if self._ticket.machine_boot == self._tools.runner.boot_id:
            self._command = await self._tools.runner.find(
                self._folder, self._ticket.cookie, self._workspace
            )
        self._cause = self._cause or await blocking.run(self._folder.stop)
        log.info("attempt picked up", attempt=self._id, started=self._command is not None)

    async def _wait_or_stop(self) -> Outcome:
        self._waiting.deadline = self._deadline()
        if self._cause is not None:
            self._waiting.cancel()
        with self._waiting:
            await trio.lowlevel.checkpoint()
            try:
                return await self._work()
            except NotAllowed as refusal:
                log.warning("build refused", attempt=self._id, why=str(refusal))
                return refusal.outcome
        reason = self._cause or Reason.TIMEOUT
        log.info("attempt stopping", attempt=self._id, reason=reason)
        try:
            await blocking.run(self._folder.save_stop, reason)
        except OSError as error:  # it is stopped all the same; only a next life would not know why
            log.error("stop not kept", attempt=self._id, error=str(error))
        frozen = False
        if self._command is not None and reason in (Reason.SILENCE, Reason.TIMEOUT):
            frozen = await self._insist(self._command.is_stopped)
        return ending.stopped(reason, self._job.timeout_s, self._job.silence_s, frozen=frozen)

    def _deadline(self) -> float:
        """When its time is over, in trio's seconds. The checkout counts, a restart goes on."""
        if self._job.timeout_s is None:
            return math.inf
        return trio.current_time() + self._job.timeout_s - self._used_s()

    def _used_s(self) -> float:
        """How long ago it was accepted."""
        return max(0.0, self._tools.runner.now() - self._ticket.accepted_at)

    async def _work(self) -> Outcome:
        if self._command is None:
            try:
                self._tools.admission.admit(self._job)  # before anything of it is brought here
                await self._insist(self._check_out)
            except CheckoutFailed as error:
                return await self._explain(error)
            try:
                await self._insist(self._start)
            except OSError as error:
                return ending.refused(error)
            log.info("command started", attempt=self._id)
        assert self._command is not None
        self.phase = "running"
        self.running.set()
        code = await self._insist(self._run_command)
        if code != 0 and await self._tools.room.is_full():
            return await self._no_space()  # that is no verdict on the commit
        return ending.exited(code) if code is not None else ending.killed()

    async def _check_out(self) -> None:
        self.phase = "checkout"
        began = trio.current_time()
        found = await self._tools.checkout.make(
            self._job.repository, self._job.commit, self._workspace, self._ticket.cookie
        )
        await self._lent.prove(found.commit_hash, self._workspace)
        self.commit = self._lent.mask_commit(found)
        took_s = trio.current_time() - began
        self._tools.metrics.checkout_s.observe(took_s)
        log.info("commit found", attempt=self._id, commit=self.commit.commit_hash, took_s=took_s)
        self.checkout_s = self._used_s()
        await blocking.run(self._folder.save_commit, self.commit, self.checkout_s, self._lent.note)

    async def _start(self) -> None:
        assert self.commit is not None
        words = self._tools.admission.admit(self._job)  # the rules may be others since it was taken
        environment = command_environment(
            self._tools.runner.environment(),
            self._job,
            self.commit.commit_hash,
            self.commit.branch,
            self._workspace,
        )
        environment |= self._lent.environment
        if words is not None:
            environment = without_relative_folders(environment)
        self._command = await self._tools.runner.start(
            Order(
                self._job.command,
                self._workspace,
                environment,
                self._folder,
                self._ticket.cookie,
                words=words,
                since=self._ticket.accepted_at,
            )
        )

    async def _explain(self, error: CheckoutFailed) -> Outcome:
        """Make the log of an attempt that has no command's: git's words."""
        text = str(error)
        if is_no_space(error) or await self._tools.room.is_full():
            return await self._no_space(text)
        text = self._lent.mask_text(text)
        if await self._missing() is None:  # nor is a folder made again that was removed
            words = text.encode() + b"\n"
            await self._insist(lambda: blocking.run(logfile.append, self._folder.log, 0, words))
        return ending.failed(Reason.CHECKOUT_FAILED, text)

    async def _no_space(self, words: str = "") -> Outcome:
        return ending.failed(Reason.DISK_FULL, await self._tools.room.full(words))

    async def _run_command(self) -> int | None:
        """Wait for the command's exit code, and start it anew if it never began. Raises OSError."""
        if self._command is None:
            await self._start()
        assert self._command is not None
        return await self._wait_exit(self._command)

    async def _wait_exit(self, command: Command) -> int | None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._lent.serve_masking)
            nursery.start_soon(watch, self._folder, self._job.silence_s, self.stop)
            if (limit := self._tools.runner.memory_limit) is not None:
                nursery.start_soon(watch_memory, self._id, limit, command.memory, self.stop)
            try:
                code = await command.wait()
            except NeverBegan:
                self._command = None
                raise
            nursery.cancel_scope.cancel()
        return code
