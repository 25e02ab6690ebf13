"""Processes by /proc: starting one in its own session, waiting for it, signalling just that one.

Linux only: pidfd, sessions and /proc are what makes "no survivor" true. Whatever is started for an
attempt is marked by a cookie, a random word, in two ways that all its descendants inherit:

- in its environment, where a person sees it, and which a program may clear;
- as the limit RLIMIT_LOCKS, a number that nothing changes by accident: it outlives `env -i`, a
  new session, the death of all parents, closed files and another folder.

Who belongs to an attempt, and how all of that is ended, is in `survivors.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import trio

from ci import blocking
from ci.agent.scarcity import is_scarce

COOKIE: Final = "CI_COOKIE"  # the environment variable that marks what belongs to an attempt

# RLIMIT_LOCKS of linux/resource.h. Linux has not enforced it since 2.4.25, so it is free for us.
_MARK_LIMIT: Final = 10
_MARKS: Final = 1 << 61  # the lowest mark, and how many there are; nobody allows so many locks
NO_MARK: Final = 0

# In the middle of its exec a process shows an empty environment for some microseconds, or until
# the disk has brought the first page of the program.
EXEC_POLL_S: Final = 0.001
EXEC_POLLS: Final = 20

# Python ignores SIGPIPE and SIGXFSZ, `nohup` SIGHUP, a shell's `&` SIGINT and SIGQUIT, and that is
# inherited: a build's program would not die of them.
_CAN_BE_IGNORED: Final = [
    number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)
]

_PROC: Final = Path("/proc")
_KERNEL_THREAD: Final = 0x00200000  # PF_KTHREAD of linux/sched.h
_STAT_BYTES: Final = 1 << 10  # more than twice what the line of a process has
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")  # in which births are told
_TICK_S: Final = 2 / _TICKS_PER_S  # by which a birth may look too early, and as much again
_STAT: Final = re.compile(
    rb"(?P<pid>\d+) \((?P<name>.*)\) (?P<state>\S) (?P<parent>\d+) (?P<group>\d+) (?P<session>\d+) "
    rb"(?P<terminal>-?\d+) \S+ (?P<flags>\d+) (?:\S+ ){12}(?P<born>\d+) ",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Process:
    """A living process. `born` tells it from a later one with the same number.

    `terminal` is 0 when it has none. `stopped`: by a signal, such as SIGSTOP.
    """

    pid: int
    parent: int
    group: int
    session: int
    terminal: int
    born: int
    stopped: bool = field(compare=False)
    name: str = field(compare=False)  # which its next exec changes


def spawn(
    arguments: list[str],
    environment: Mapping[str, str],
    cookie: str,
    stdout: int | Path,
    stderr: int | None = None,
    *,
    inputs: Mapping[int, bytes] = MappingProxyType({}),
    outputs: Mapping[int, Path] = MappingProxyType({}),
) -> int:
    """Start a program in its own session, without input, marked by `cookie`; return its process id.

    `stdout` is a descriptor, or a file that is appended to; `stderr` goes there too unless it is
    a descriptor. What `inputs` say it finds under these numbers; that is never on a disk. So it
    finds `outputs`, new files.
    Raises OSError, for example when the arguments are too long.
    """
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    ]
    if isinstance(stdout, Path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions.append((os.POSIX_SPAWN_OPEN, 1, str(stdout), flags, 0o644))
    else:
        actions.append((os.POSIX_SPAWN_DUP2, stdout, 1))
    actions.append((os.POSIX_SPAWN_DUP2, 1 if stderr is None else stderr, 2))
    # A child that kept our listening socket would hold the port after our death.
    actions += [(os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inheritable()]
    with _marked(cookie), ExitStack() as memory:
        for number, data in inputs.items():
            actions.append((os.POSIX_SPAWN_DUP2, memory.enter_context(_in_memory(data)), number))
        for number, path in outputs.items():  # last: the memory may have one of these numbers here
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            actions.append((os.POSIX_SPAWN_OPEN, number, str(path), flags, 0o644))
        return os.posix_spawnp(
            arguments[0],
            arguments,
            {**environment, COOKIE: _nested(cookie)},
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=_CAN_BE_IGNORED,
        )


@contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """Give the descriptor of a file in memory that holds `data`."""
    with os.fdopen(os.memfd_create("input"), "w+b") as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


async def wait_end(pid: int, cookie: str | None) -> int | None:
    """Return when process `pid` is gone, with its wait status if it was our child.

    `cookie` is for the child of an earlier life of this program: a process that does not carry it
    has been given the number since. Cancellation: leaves the process alone.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        await trio.lowlevel.checkpoint()
        return None
    try:
        # Looked at after the descriptor was opened, so it can't have become another process.
        if cookie is None or await blocking.run(carries, pid, cookie):
            await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)
    return reap(pid)


def reap(pid: int) -> int | None:
    """Take the wait status of `pid` if it is an ended child of ours."""
    try:
        reaped, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return status if reaped else None


def carries(pid: int, cookie: str) -> bool:
    """Whether `pid` lives and was started with `cookie` in its environment.

    Raises OSError when it can't be looked at now.
    """
    for _ in range(EXEC_POLLS):
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
        except OSError as error:
            _must_be_gone(error)
            return False
        if environment or look(pid) is None:
            return cookie.encode() in environment
        time.sleep(EXEC_POLL_S)
    return False


def mark(cookie: str) -> int:
    """Turn a cookie into the number that marks its processes."""
    digest = hashlib.sha256(cookie.encode()).digest()
    return _MARKS + int.from_bytes(digest[:8], "big") % _MARKS


def mark_of(pid: int) -> int:
    """Read the mark of a process, which may be one that is ours; NO_MARK when it has none."""
    try:
        soft, _ = resource.prlimit(pid, _MARK_LIMIT)
    except OSError:  # gone, or another user's
        return NO_MARK
    return soft if soft >= _MARKS else NO_MARK


def boot_id() -> str:
    """Another one after each start of the machine."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def now() -> float:
    """Seconds on a clock that is the same for all programs until the machine stops."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def numbers() -> list[int]:
    """List the numbers of all processes."""
    return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208 - a Path for each costs more than this


def look(pid: int) -> Process | None:
    """Look at one process; None when it has ended, reaped by its parent or not.

    Raises OSError when it can't be looked at now.
    """
    try:
        # Without a Path: this is done for every process of the machine at the end of each command.
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        try:
            fields = _STAT.match(os.read(descriptor, _STAT_BYTES))
        finally:
            os.close(descriptor)
    except OSError as error:
        _must_be_gone(error)
        return None
    if fields is None or fields["state"] in b"ZX":
        return None
    if int(fields["flags"]) & _KERNEL_THREAD:
        return None
    return Process(
        pid=pid,
        parent=int(fields["parent"]),
        group=int(fields["group"]),
        session=int(fields["session"]),
        terminal=int(fields["terminal"]),
        born=int(fields["born"]),
        stopped=fields["state"] == b"T",
        name=fields["name"].decode("utf-8", "backslashreplace"),
    )


def was_there(process: Process, moment: float) -> bool:
    """Whether it was born before a moment on the clock of `now`.

    A birth counts the time in which the machine slept, that clock does not. So one that is old may
    be taken for young, never the other way round.
    """
    return process.born / _TICKS_PER_S + _TICK_S < moment


def send(process: Process, number: signal.Signals) -> None:
    """Signal exactly this process: its number may have been given to another since."""
    with suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(process.pid)
        try:
            if (same := look(process.pid)) and same.born == process.born:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _must_be_gone(error: OSError) -> None:
    """Make sure that what can't be looked at is gone, or another user's.

    It could be there and we have no file left to open: nobody is believed dead for that.
    """
    if is_scarce(error):
        raise error


@contextmanager
def _marked(cookie: str) -> Iterator[None]:
    """Carry the mark of `cookie` for a moment, so that a child inherits it."""
    soft, hard = resource.getrlimit(_MARK_LIMIT)
    # Somebody may have set a real limit, or the system may know none: the environment must do.
    with suppress(ValueError, OSError):
        resource.setrlimit(_MARK_LIMIT, (mark(cookie), hard))
    try:
        yield
    finally:
        resource.setrlimit(_MARK_LIMIT, (soft, hard))


def _nested(cookie: str) -> str:
    """Add `cookie` to the one that this agent runs under, if it is part of a build itself."""
    outer = os.environ.get(COOKIE)
    return f"{outer}.{cookie}" if outer else cookie


def _inheritable() -> list[int]:
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - done for each process started
        with suppress(OSError):  # the one that listed the folder is closed by now
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
    return found
