"""One command: started outside the agent, waited for, ended with all that it started.

    agent ── spawns ──> sh supervise.sh      leader of an own session; writes `pid`, then `exit`
                        └─ sh -c COMMAND     both outputs into the one file `log`; under a policy
                                             the command's program, without a shell; in a
                                             sandbox if there is one, see `sandbox.py`

The supervisor needs nothing from the agent: an agent that was killed finds it again by the files
in the attempt's folder.
"""

from __future__ import annotations

import errno
import math
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio

from ci import blocking
from ci.agent import processes
from ci.agent.bubblewrap import FILTER_FD, SETTINGS_FD, STATUS_FD
from ci.agent.environment import own_environment
from ci.agent.memory import memory_of
from ci.agent.sandbox import Sandbox, settings
from ci.agent.seccomp import no_keyrings
from ci.agent.spool import Folder
from ci.agent.survivors import Belongings, end_all
from ci.disk import free_bytes

START_LIMIT_S: Final = 2.0  # a supervisor writes its number within milliseconds of its start
START_POLL_S: Final = 0.05
STOPPED_POLL_S: Final = 1.0  # between two looks whether a supervisor was stopped

log = structlog.get_logger()

_SCRIPT: Final = Path(__file__).with_name("supervise.sh")


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: `command` by `sh -c` in `workspace`, with exactly `environment`.

    `words` is the same as a program with its arguments, to be run without a shell. `since` is when
    the attempt was accepted, on the runner's clock: none of its processes is older.
    """

    command: str
    workspace: Path
    environment: Mapping[str, str]
    folder: Folder
    cookie: str
    words: tuple[str, ...] | None = None
    since: float = -math.inf


class NeverBegan(OSError):
    """The machine had no process left for a command whose supervisor was started."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, os.strerror(errno.EAGAIN))


class NoSandbox(OSError):
    """The command was not begun: bubblewrap has refused."""

    def __init__(self) -> None:
        super().__init__("no sandbox could be made; the log has bubblewrap's words")


class Command(Protocol):
    """A command that was started. It does not need the agent to go on."""

    async def wait(self) -> int | None:
        """Return its exit code when it is gone; None when it was killed with its supervisor.

        Raises NeverBegan: it may be started again; NoSandbox: it was not begun.
        Cancellation: leaves the command alone.
        """

    async def is_stopped(self) -> bool:
        """Whether a process of the command was stopped by a signal, such as SIGSTOP."""

    async def memory(self) -> int:
        """Return how many bytes its processes have for themselves just now."""

    async def kill(self) -> None:
        """End the command and all that it started, or what is left of them."""


class Runner(Protocol):
    """The machine that commands run on."""

    @property
    def boot_id(self) -> str:
        """Another one after each start of the machine; no process outlives that."""

    @property
    def sandbox(self) -> str:
        """What holds commands in, in words for people; empty when nothing does."""

    @property
    def memory_limit(self) -> int | None:
        """How many bytes all processes of a command may have together; None for any number."""

    def environment(self) -> dict[str, str]:
        """Return what each command finds in its environment, whatever the job."""

    def now(self) -> float:
        """Seconds on a clock that goes on until the machine stops."""

    async def start(self, order: Order) -> Command:
        """Start a command. Raises OSError when that is impossible."""

    async def find(self, folder: Folder, cookie: str, workspace: Path) -> Command | None:
        """Find the command of an earlier life of the agent, alive or gone.

        Returns None when it was never started; what had been prepared for it is ended then.
        """

    async def free_bytes(self, folder: Path) -> int:
        """Return the bytes that are free on the disk of `folder`; 0 when no file can be made."""


class ShellRunner:
    """Runs commands as processes of this machine."""

    def __init__(self, kill_grace_s: float, sandbox: Sandbox | None = None) -> None:
        self._kill_grace_s = kill_grace_s
        self._sandbox = sandbox
        self._looking = trio.CapacityLimiter(1)
        self._renewing = trio.CapacityLimiter(1)
        self.boot_id = processes.boot_id()

    @property
    def sandbox(self) -> str:
        """What is in force."""
        return "" if self._sandbox is None else str(self._sandbox)

    @property
    def memory_limit(self) -> int | None:
        """That of the sandbox."""
        return None if self._sandbox is None else self._sandbox.limits.memory

    def environment(self) -> dict[str, str]:
        """The agent's own, or what a sandbox lets in of it."""
        own = own_environment()
        return own if self._sandbox is None else self._sandbox.environment(own)

    def now(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return processes.now()

    async def start(self, order: Order) -> Command:
        """Start a command under its supervisor. Raises OSError."""
        supervisor = ("sh", str(_SCRIPT), str(order.folder.path), str(order.workspace))
        program = order.words if order.words is not None else ("sh", "-c", "--", order.command)
        environment = order.environment
        inputs: dict[int, bytes] = {}
        outputs: dict[int, Path] = {}
        if self._sandbox is not None:
            if not self._sandbox.etc.is_fresh:
                await blocking.run(self._sandbox.etc.renew, limiter=self._renewing)
            outer = await blocking.run(self._sandbox.enter, order.workspace)
            program, environment = (*outer, *program), {}
            inputs[SETTINGS_FD] = settings(order.environment)
            inputs[FILTER_FD] = no_keyrings()
            outputs[STATUS_FD] = order.folder.sandbox
        pid = processes.spawn(
            [*supervisor, *program],
            environment,
            order.cookie,
            order.folder.output,
            inputs=inputs,
            outputs=outputs,
        )
        await trio.lowlevel.cancel_shielded_checkpoint()
        mine = Belongings(order.cookie, pid, order.folder.path, order.workspace, since=order.since)
        return _Supervised(order.folder, mine, pid, self._kill_grace_s, own=True)

    async def find(self, folder: Folder, cookie: str, workspace: Path) -> Command | None:
        """Find a supervisor by its file; one that is just starting is given START_LIMIT_S."""
        mine = Belongings(cookie, None, folder.path, workspace)
        with trio.move_on_after(START_LIMIT_S):
            while (pid := folder.pid()) is None:
                if not await blocking.run(mine.find):
                    break
                await trio.sleep(START_POLL_S)
        pid = folder.pid()
        if pid is None:  # git of an unfinished checkout, or nothing at all
            await end_all(mine, self._kill_grace_s)
            return None
        return _Supervised(folder, replace(mine, leader=pid), pid, self._kill_grace_s, own=False)

    async def free_bytes(self, folder: Path) -> int:
        """Ask the system. Cancellation: a disk that hangs is left to itself, with one thread."""
        return await blocking.run(free_bytes, folder, limiter=self._looking, only_looks=True)


class _Supervised:
    """A command by the number of its supervisor, which is its session's as well."""

    def __init__(
        self, folder: Folder, mine: Belongings, pid: int, kill_grace_s: float, *, own: bool
    ) -> None:
        self._folder = folder
        self._mine = mine
        self._pid = pid
        self._kill_grace_s = kill_grace_s
        self._own = own  # our child, and not yet reaped

    async def wait(self) -> int | None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_supervisor_going)
            await processes.wait_end(self._pid, None if self._own else self._mine.cookie)
            nursery.cancel_scope.cancel()
        self._own = False
        if self._folder.never_began():
            raise NeverBegan
        if self._folder.no_sandbox():
            raise NoSandbox
        return self._folder.exit_code()

    async def is_stopped(self) -> bool:
        return any(process.stopped for process in await blocking.run(self._mine.find))

    async def memory(self) -> int:
        return await blocking.run(lambda: memory_of(one.pid for one in self._mine.find()))

    async def kill(self) -> None:
        await end_all(self._mine, self._kill_grace_s)
        processes.reap(self._pid)  # it may have ended between two looks
        self._own = False

    async def _keep_supervisor_going(self) -> None:
        """Continue it when a signal has stopped it: else nobody would tell the command's end.

        A build does that by `kill -STOP $PPID`, or to its whole group. What else was stopped stays
        so: that is the command's business.
        """
        while True:
            await trio.sleep(STOPPED_POLL_S)
            process = processes.look(self._pid)
            if process is None or not process.stopped:
                continue
            if self._own or await blocking.run(processes.carries, self._pid, self._mine.cookie):
                log.warning("supervisor continued", attempt=self._folder.path.name, pid=self._pid)
                processes.send(process, signal.SIGCONT)
