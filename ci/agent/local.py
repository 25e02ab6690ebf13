"""One build without a server: what `ci local` runs, of the same parts as every other build.

run_local
├─ life        ci/agent/life.py: checkout → command → end of all processes
└─ watch       hands on what the command prints, up to the limit of its log

Its data folder is there for this one build, and nobody picks anything up from it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from ci import blocking
from ci.agent.admission import Admission
from ci.agent.checkout import GitCheckout
from ci.agent.life import Life
from ci.agent.metrics import Metrics
from ci.agent.mounts import Ground
from ci.agent.output import Log, Output
from ci.agent.room import Room
from ci.agent.runner import ShellRunner
from ci.agent.sandbox import open_sandbox
from ci.agent.spool import Spool, Ticket
from ci.agent.tools import Tools
from ci.config import AgentConfig
from ci.model import DEFAULT_LOG_LIMIT, Outcome, Reason
from ci.wire.job import Job

LOOK_S: Final = 0.1  # between two looks at what the command has printed
PIECE_BYTES: Final = 1 << 20
COOKIE_BYTES: Final = 16  # nobody guesses it, no two are alike
NAME: Final = "local"  # of the build, where others have a number


class LocalBuild:
    """A build on this machine. `begun` is told what holds it in, in words; empty for nothing."""

    def __init__(self, config: AgentConfig, job: Job, begun: Callable[[str], None]) -> None:
        self._config = config
        self._job = job
        self._begun = begun
        self._life: Life | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """End it now, with all that its command started."""
        self._is_stopped = True
        if self._life is not None:
            self._life.stop(Reason.CANCELED)

    async def run(self, wrote: Callable[[bytes], None]) -> Outcome:
        """Bring it to its end; `wrote` is told what its command prints. Raises ConfigError."""
        config, data_dir = self._config, self._config.data_dir
        sandbox = await open_sandbox(config)
        runner = ShellRunner(config.kill_grace_seconds, sandbox)
        self._begun(runner.sandbox)
        room = Room(Ground(data_dir), config.min_free_bytes, runner.free_bytes)
        checkout = GitCheckout(data_dir / "mirrors")
        folder = Spool(data_dir / "spool").folder(self._job.id)
        cookie = secrets.token_hex(COOKIE_BYTES)
        ticket = Ticket(self._job, cookie, runner.boot_id, runner.now())
        await blocking.run(folder.create, ticket)
        output = Output(folder.log, self._job.log_limit or DEFAULT_LOG_LIMIT)
        # Whoever asks for it is the owner of this machine: there are no rules to keep.
        tools = Tools(runner, checkout, room, Admission(), Metrics())
        workspace = data_dir / "work" / folder.path.name
        life = self._life = Life(ticket, folder, workspace, output, tools)
        if self._is_stopped:
            self.stop()
        async with trio.open_nursery() as nursery:
            watcher = _Watcher(output, wrote)
            nursery.start_soon(watcher.serve)
            outcome = await life.run(picked_up=False)
            nursery.cancel_scope.cancel()
        await watcher.finish(outcome.log_size or 0)
        return outcome


class _Watcher:
    """Hands on a log as it grows."""

    def __init__(self, output: Output, wrote: Callable[[bytes], None]) -> None:
        self._output = output
        self._wrote = wrote
        self._at = 0

    async def serve(self) -> None:
        """Look for ever."""
        while True:
            await self._hand_on(self._output.so_far(await self._output.look()))
            await trio.sleep(LOOK_S)

    async def finish(self, size: int) -> None:
        """Hand on the rest of a log whose command has printed `size` bytes."""
        await self._hand_on(self._output.whole(size))

    async def _hand_on(self, log: Log) -> None:
        while data := await blocking.run(log.read, self._at, PIECE_BYTES):
            self._at += len(data)
            self._wrote(data)


def local_job(
    repository: Path, commit: str, command: str, timeout_s: float, silence_s: float
) -> Job:
    """Make the job of a local build."""
    return Job(
        id=NAME,
        number=NAME,
        repository=str(repository),
        commit=commit,
        command=command,
        timeout_s=timeout_s,
        silence_s=silence_s,
    )
