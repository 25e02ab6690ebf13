"""A machine without processes: commands are scripts in trio's time, and outlive their agent.

What it runs is a small part of the shell's language, so that the same commands mean the same on a
real machine: statements between `;`, which are `echo WORDS` (perhaps `>&2`), `sleep N`, `exit N`,
`true`, `false`, `kill -9 0`, and `trap '' TERM`; a statement that ends with `&` is left behind.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from ci import blocking, logfile
from ci.agent.environment import own_environment
from ci.agent.runner import NeverBegan, Order
from ci.agent.spool import Folder

NOT_FOUND = 127  # the shell's exit code of a command that there is not
TERMINATED = 143  # and of one that SIGTERM ended
SURVIVOR_PAUSE_S = 0.01  # between two lines of a process that nobody finds


class FakeMachine:
    """Where fake commands run: tasks of `nursery`, which agents come and go on."""

    def __init__(self, nursery: trio.Nursery, kill_grace_s: float = 5.0) -> None:
        self.nursery = nursery
        self.kill_grace_s = kill_grace_s
        self.boot_id = "first start"
        self.free = 1 << 40  # bytes on its disk
        self.memory_limit: int | None = None  # of each command
        self.looks_s = 0.0  # seconds that it takes to see that
        self.first_output = b""  # what every command prints before anything else
        self.survivor_output = b""  # what a process that nobody finds prints again and again
        self.start_error: Exception | None = None  # what the next start raises
        self.wait_error: Exception | None = None  # what every wait for a command raises
        self.short: dict[str, int] = {}  # name of a step → how often it finds no file to open
        self.at_exit: dict[str, Callable[[], None]] = {}  # "before", "after" it is written
        self.started: list[Order] = []
        self.running: dict[str, FakeCommand] = {}  # by cookie; the dead are kept as well

    def fall_short(self, step: str) -> None:
        """Fail for want of files, if the test says so. Raises OSError."""
        if self.short.get(step, 0):
            self.short[step] -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def crash(self) -> None:
        """Lose power and start again: nothing that ran is left."""
        for command in self.running.values():
            command.die()
        self.running.clear()
        self.boot_id += " and another"


class FakeRunner:
    """The runner of one agent on `machine`."""

    def __init__(self, machine: FakeMachine) -> None:
        self._machine = machine

    @property
    def boot_id(self) -> str:
        """That of the machine."""
        return self._machine.boot_id

    @property
    def sandbox(self) -> str:
        """Nothing is held in."""
        return ""

    @property
    def memory_limit(self) -> int | None:
        """What the test says."""
        return self._machine.memory_limit

    def environment(self) -> dict[str, str]:
        """The agent's own."""
        return own_environment()

    def now(self) -> float:
        """Trio's time."""
        return trio.current_time()

    async def start(self, order: Order) -> FakeCommand:
        """Begin to play the command."""
        return await blocking.run(self._begin, order)

    def _begin(self, order: Order) -> FakeCommand:
        self._machine.fall_short("start")
        if (error := self._machine.start_error) is not None:
            self._machine.start_error = None
            raise error
        order.folder.output.touch()  # a spawned process opens it before anything else
        if self._machine.first_output:
            logfile.append(order.folder.output, 0, self._machine.first_output)
        if self._machine.survivor_output:
            self._machine.nursery.start_soon(
                _print_for_ever, order.folder.output, self._machine.survivor_output
            )
        command = FakeCommand(order.folder, order.workspace, self._machine.kill_grace_s)
        command.wait_error = self._machine.wait_error
        command.fall_short = self._machine.fall_short
        command.at_exit |= self._machine.at_exit
        if self._machine.short.get("fork", 0):
            self._machine.short["fork"] -= 1
            command.never_began = True
            command.over.set()
            return command
        self._machine.started.append(order)
        self._machine.running[order.cookie] = command
        (order.folder.path / "pid").write_text("1\n")
        self._machine.nursery.start_soon(command.play, order.command)
        return command

    async def find(
        self,
        folder: Folder,  # noqa: ARG002 - no files
        cookie: str,
        workspace: Path,  # noqa: ARG002 - no processes
    ) -> FakeCommand | None:
        """Find a command by its cookie."""
        await trio.lowlevel.checkpoint()
        self._machine.fall_short("find")
        return self._machine.running.get(cookie)

    async def free_bytes(self, folder: Path) -> int:  # noqa: ARG002 - one disk for all
        """What the test says, as fast as it says."""
        await trio.sleep(self._machine.looks_s)
        return self._machine.free


@dataclass
class FakeCommand:
    """A command being played."""

    folder: Folder
    workspace: Path
    kill_grace_s: float
    survivors: list[str] = field(default_factory=list)
    over: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    deaf: bool = False  # SIGTERM is ignored
    stopped: bool = False  # by SIGSTOP
    wait_error: Exception | None = None
    never_began: bool = False
    uses: int = 0  # bytes of memory
    fall_short: Callable[[str], None] = lambda _step: None
    at_exit: dict[str, Callable[[], None]] = field(
        default_factory=lambda: {"before": lambda: None, "after": lambda: None}
    )

    async def play(self, text: str) -> None:
        """Run statement after statement; keep the exit code as a supervisor would."""
        code: int | None = 0
        with self.scope:
            code = await self._play_all(text)
        if self.scope.cancelled_caught:
            code = None
        if code is not None:
            self.at_exit["before"]()
            (self.folder.path / "exit").write_text(f"{code}\n")
            self.at_exit["after"]()
        self.over.set()

    async def wait(self) -> int | None:
        """Wait for the end of the command."""
        if self.wait_error is not None:
            raise self.wait_error
        self.fall_short("wait")
        if self.never_began:
            raise NeverBegan
        await self.over.wait()
        return self.folder.exit_code()

    async def memory(self) -> int:
        """What the test says."""
        await trio.lowlevel.checkpoint()
        return self.uses

    async def is_stopped(self) -> bool:
        """What the test says."""
        await trio.lowlevel.checkpoint()
        return self.stopped

    async def kill(self) -> None:
        """End it at once, or after the grace time if it is deaf."""
        await trio.lowlevel.checkpoint()
        self.fall_short("kill")
        if self.deaf and not self.over.is_set():
            with trio.move_on_after(self.kill_grace_s):
                await self.over.wait()
        self.die()
        self.survivors.clear()
        await self.over.wait()

    def die(self) -> None:
        """End like a process that is killed: no exit code."""
        self.scope.cancel()
        self.survivors.clear()

    @property
    def alive(self) -> int:
        """How many processes there are."""
        return (not self.over.is_set()) + len(self.survivors)

    async def _play_all(self, text: str) -> int | None:
        code = 0
        for statement in text.replace("&", "& ;").replace(">& ;", ">&").split(";"):
            words = shlex.split(statement)
            if not words:
                continue
            if words[-1] == "&":
                self.survivors.append(" ".join(words[:-1]))
                continue
            name, arguments = words[0], [word for word in words[1:] if word != ">&2"]
            await trio.lowlevel.checkpoint()
            match name:
                case "echo":
                    self._print(" ".join(arguments))
                    code = 0
                case "sleep":
                    await trio.sleep(float(arguments[0]))
                    code = 0
                case "exit":
                    return int(arguments[0])
                case "kill":
                    return None
                case "trap":
                    self.deaf = True
                case "true" | "false":
                    code = int(name == "false")
                case _:
                    self._print(f"sh: 1: {name}: not found")
                    code = NOT_FOUND
        return code

    def _print(self, line: str) -> None:
        log = self.folder.output
        logfile.append(log, logfile.size(log), f"{line}\n".encode())


async def _print_for_ever(path: Path, line: bytes) -> None:
    """Keep a log open and write to it, as a process with a clean environment can."""
    with path.open("ab", buffering=0) as file:
        while True:
            file.write(line)
            await trio.sleep(SURVIVOR_PAUSE_S)
