"""The ground that all stories stand on: blocking work makes no thread."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

from ci import blocking


@pytest.fixture
async def thread_of_fixture() -> threading.Thread:
    """Where blocking work of a trio fixture is done."""
    return await blocking.run(threading.current_thread)


async def test_blocking_work_is_done_in_the_thread_of_the_story(
    thread_of_fixture: threading.Thread, autojump_clock: trio.testing.MockClock
) -> None:
    """The test, its trio fixtures and tasks of any depth do blocking work on the spot."""
    seen = [thread_of_fixture]

    async def work(depth: int) -> None:
        seen.append(await blocking.run(threading.current_thread))
        if depth:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work, depth - 1)

    before = trio.current_time()
    await work(3)
    assert set(seen) == {threading.current_thread()}
    assert trio.current_time() == before
