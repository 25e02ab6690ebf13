"""The only door to a thread."""

from __future__ import annotations

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
