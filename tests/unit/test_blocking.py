"""The only door to a thread."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import trio

from ci import blocking


async def test_work_runs_beside_other_tasks() -> None:
    """Blocking work is done in a thread, so that it holds up nobody."""
    assert await blocking.run(threading.current_thread) is not threading.current_thread()


async def test_arguments_result_and_error_pass_through() -> None:
    """It is the call itself, only elsewhere."""
    assert await blocking.run(divmod, 17, 5) == (3, 2)
    with pytest.raises(ZeroDivisionError):
        await blocking.run(divmod, 1, 0)


async def test_inline_does_the_work_on_the_spot_and_only_there() -> None:
    """Tests with a mock clock do it in this task and in all that it starts."""
    seen: list[threading.Thread] = []

    async def work() -> None:
        seen.append(await blocking.run(threading.current_thread))

    with blocking.inline():
        await work()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
    assert set(seen) == {threading.current_thread()}
    await work()
    assert seen[-1] is not threading.current_thread()


async def test_inline_work_is_still_a_checkpoint() -> None:
    """Others get their turn, and a cancelled task does not begin."""
    done: list[int] = []
    with blocking.inline(), trio.CancelScope() as scope:
        scope.cancel()
        await blocking.run(done.append, 1)
    assert scope.cancelled_caught
    assert not done


async def test_what_only_looks_is_left_alone() -> None:
    """It may hang for as long as it likes; who comes next is kept from hanging as well."""
    limiter = trio.CapacityLimiter(1)
    goes_on = threading.Event()
    for _ in range(3):
        with trio.move_on_after(0.01) as limit:
            await blocking.run(goes_on.wait, limiter=limiter, only_looks=True)
        assert limit.cancelled_caught
    assert limiter.borrowed_tokens == 1
    goes_on.set()
    with trio.fail_after(60):
        assert await blocking.run(divmod, 17, 5, limiter=limiter, only_looks=True) == (3, 2)


_WITHOUT_THREADS = """
import resource, threading, trio
from ci import blocking

async def main():
    threading.stack_size(1 << 30)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), resource.RLIM_INFINITY))
    try:
        threading.Thread(target=print).start()
    except RuntimeError as error:
        print(error)
    print(await blocking.run(divmod, 17, 5))
    print(await blocking.run(threading.current_thread) is threading.main_thread())

trio.run(main)
"""


def test_without_a_thread_the_work_is_done_on_the_spot() -> None:
    """A build that has taken all processes of the user can still be ended."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_THREADS], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["can't start new thread", "(3, 2)", "True"], done.stderr
