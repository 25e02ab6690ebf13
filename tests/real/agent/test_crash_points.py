"""The supervisor dies right before and right after each of its two files are written.

`pid` divides what was never started, and may be, from what may have been; `exit` is the verdict.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
import trio

from ci.agent.processes import reap
from ci.agent.runner import Order, ShellRunner
from ci.agent.survivors import Belongings
from tests.fakes.runner_contract import make_order

SOON_S: Final = 60.0  # on a machine that has much to do
GRACE_S: Final = 0.5
RAN: Final = b"ran\n"

Death = Callable[[Order], Awaitable[None]]


async def wait_until(holds: Callable[[], bool]) -> None:
    """Look again and again."""
    with trio.fail_after(SOON_S):
        while not holds():
            await trio.sleep(0.01)


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def before_pid(order: Order) -> None:
    """A pipe that nobody reads holds it up, once it has made a place for the exit code."""
    os.mkfifo(order.folder.path / "pid")
    pid = await start(order)
    exit_file = order.folder.path / "exit"
    await wait_until(lambda: exit_file.exists() and exit_file.stat().st_size > 0)
    await end(pid)
    (order.folder.path / "pid").unlink()


async def after_pid(order: Order) -> None:
    """What comes next is the way into the workspace, which is not there."""
    order.workspace.rmdir()
    pid = await start(order)
    await wait_until(lambda: order.folder.pid() == pid)
    await end(pid)
    order.workspace.mkdir()


async def before_exit(order: Order) -> None:
    """The last that the command does is to stop its supervisor."""
    pid = await start(order)
    await wait_until(lambda: is_stopped(pid))
    await end(pid)


async def after_exit(order: Order) -> None:
    """It has written the exit code, and need not do more."""
    pid = await start(order)
    await wait_until(lambda: is_stopped(pid))
    os.kill(pid, signal.SIGCONT)
    await wait_until(lambda: order.folder.exit_code() is not None)
    await end(pid)


async def start(order: Order) -> int:
    """Start the command; return the number of its supervisor."""
    started = await ShellRunner(GRACE_S).start(order)
    pid: int = started._pid  # type: ignore[attr-defined]  # no business of an agent's
    return pid


async def end(pid: int) -> None:
    """Kill a supervisor with its whole group, as the kernel does where memory is short."""
    os.killpg(pid, signal.SIGKILL)
    await wait_until(lambda: reap(pid) is not None)


# When it dies → whether its agent takes the command for started, whether it ran, its exit code.
POINTS: Final[dict[str, tuple[Death, bool, bool, int | None]]] = {
    "before pid": (before_pid, False, False, None),
    "after pid": (after_pid, True, False, None),
    "before exit": (before_exit, True, True, None),
    "after exit": (after_exit, True, True, 3),
}


@pytest.mark.parametrize("point", POINTS)
async def test_the_supervisor_dies(tmp_path: Path, point: str) -> None:
    """What may have run is never run again; what has left no verdict has none."""
    die, started, ran, code = POINTS[point]
    order = make_order(tmp_path, "echo ran; kill -STOP $PPID; exit 3")
    await die(order)
    assert (RAN in order.folder.log.read_bytes()) == ran
    runner = ShellRunner(GRACE_S)
    found = await runner.find(order.folder, order.cookie, order.workspace)
    assert (found is not None) == started
    if found is not None:
        assert await found.wait() == code
        await found.kill()
    left = Belongings(order.cookie, None, order.folder.path, order.workspace)
    assert not left.find()


async def test_what_died_before_its_start_is_started(tmp_path: Path) -> None:
    """In the same folder, on which the first try has left nothing that counts."""
    order = make_order(tmp_path, "echo ran; exit 3")
    await before_pid(order)
    assert await (await ShellRunner(GRACE_S).start(order)).wait() == 3
    assert order.folder.log.read_bytes() == RAN
