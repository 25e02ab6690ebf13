"""Processes by /proc: starting one in its own session, waiting for it, ending all it left behind.

Linux only: pidfd, /proc/PID/environ and sessions are what makes "no survivor" true. Whatever is
started carries a cookie, a random word in its environment, which all its descendants inherit;
it finds those that left the session and whose parents are gone.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking

COOKIE: Final = "CI_COOKIE"  # the environment variable that marks what belongs to an attempt

POLL_S: Final = 0.02  # between two looks at processes that were told to end
KILL_LIMIT_S: Final = 15.0  # a process that hangs in the kernel can't be ended by anybody

# In the middle of its exec a process shows an empty environment for some microseconds, or until
# the disk has brought the first page of the program.
EXEC_POLL_S: Final = 0.001
EXEC_POLLS: Final = 20

_PROC: Final = Path("/proc")
_KERNEL_THREAD: Final = 0x00200000  # PF_KTHREAD of linux/sched.h
_STAT: Final = re.compile(
    rb"(?P<pid>\d+) \(.*\) (?P<state>\S) (?P<parent>\d+) (?P<group>\d+) (?P<session>\d+) "
    rb"\S+ \S+ (?P<flags>\d+) (?:\S+ ){12}(?P<born>\d+) ",
    re.DOTALL,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Process:
    """A living process. `born` tells it from a later one with the same number."""

    pid: int
    parent: int
    group: int
    session: int
    born: int


def spawn(
    arguments: list[str],
    environment: Mapping[str, str],
    stdout: int | Path,
    stderr: int | None = None,
) -> int:
    """Start a program in its own session, without input; return its process id.

    `stdout` is a descriptor, or a file that is appended to; `stderr` goes there too unless it is
    a descriptor. Raises OSError, for example when the arguments are too long.
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
    return os.posix_spawnp(
        arguments[0],
        arguments,
        environment,
        file_actions=actions,
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them, and that is inherited
    )


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


async def end_all(cookie: str, leader: int | None, grace_s: float) -> None:
    """End everything that belongs to an attempt: SIGTERM, then after `grace_s` SIGKILL.

    Returns when none is left, or logs an error after KILL_LIMIT_S of killing. Cancellation: stops
    ending them.
    """
    seen: set[Process] = set()
    killing_at = trio.current_time() + grace_s
    while found := await blocking.run(belonging, cookie, leader):
        now = trio.current_time()
        if now > killing_at + KILL_LIMIT_S:
            log.error("processes left", pids=[process.pid for process in found])
            return
        for process in found:
            if now >= killing_at:
                _send(process, signal.SIGKILL)
            elif process not in seen:
                _send(process, signal.SIGTERM)
                _send(process, signal.SIGCONT)  # one that is stopped could not end
        seen.update(found)
        await trio.sleep(POLL_S)
    for process in seen:
        reap(process.pid)  # ours, or adopted where we are the first process of a container


def belonging(cookie: str, leader: int | None) -> list[Process]:
    """Find what carries `cookie`, is in the session or group of `leader`, or descends from those.

    `leader` is the process id of a session's leader, perhaps long gone.
    """
    living = _living()
    found = {pid for pid in living if carries(pid, cookie)}
    # A leader without the cookie is another program that was given the number since.
    if leader is not None and (leader not in living or leader in found):
        found |= {pid for pid, at in living.items() if leader in (at.session, at.group)}
    children: dict[int, list[int]] = {}
    for process in living.values():
        children.setdefault(process.parent, []).append(process.pid)
    open_ends = list(found)
    while open_ends:
        fresh = [pid for pid in children.get(open_ends.pop(), ()) if pid not in found]
        found.update(fresh)
        open_ends += fresh
    return [living[pid] for pid in found]


def carries(pid: int, cookie: str) -> bool:
    """Whether `pid` lives and was started with `cookie` in its environment."""
    for _ in range(EXEC_POLLS):
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
        except OSError:
            return False  # gone, or another user's
        if environment or _look(pid) is None:
            return cookie.encode() in environment
        time.sleep(EXEC_POLL_S)
    return False


def boot_id() -> str:
    """Another one after each start of the machine."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def now() -> float:
    """Seconds on a clock that is the same for all programs until the machine stops."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def _living() -> dict[int, Process]:
    found = {}
    for name in os.listdir(_PROC):  # noqa: PTH208 - a Path for each process costs more than this
        if name.isdigit() and (process := _look(int(name))):
            found[process.pid] = process
    return found


def _look(pid: int) -> Process | None:
    try:
        fields = _STAT.match((_PROC / str(pid) / "stat").read_bytes())
    except OSError:
        return None
    if fields is None or fields["state"] in b"ZX":  # ended, and not yet reaped by its parent
        return None
    if int(fields["flags"]) & _KERNEL_THREAD:
        return None
    return Process(pid, *(int(fields[key]) for key in ("parent", "group", "session", "born")))


def _send(process: Process, number: signal.Signals) -> None:
    """Signal exactly this process: its number may have been given to another since."""
    with suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(process.pid)
        try:
            if (same := _look(process.pid)) and same.born == process.born:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _inheritable() -> list[int]:
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - done for each process started
        with suppress(OSError):  # the one that listed the folder is closed by now
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
    return found
