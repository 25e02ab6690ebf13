"""Who follows a build's log is told of each piece, of the end, and waits at no cost in between."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from ci.server.core import LOG_LOOKS, LOOK_AT_LOG_S
from ci.server.views import LogView
from tests.story.world import World


async def test_a_follower_hears_of_what_is_new(world: World, autojump_clock: MockClock) -> None:
    """Of the first attempt, of bytes, of the end; in vain he waits for some seconds."""
    server = await world.start_server()
    await world.agent().register()
    number = await world.submit()
    seen = await server.wait_log(number, LogView(None, 0, growing=True))
    assert seen.attempt == f"{number}.1.1"
    began = trio.current_time()
    assert await server.wait_log(number, seen) is seen
    assert trio.current_time() - began == LOG_LOOKS * LOOK_AT_LOG_S
    assert seen.attempt is not None
    await server.append_log(seen.attempt, 0, b"text\n")
    seen = await server.wait_log(number, seen)
    assert (seen.size, seen.growing) == (5, True)
    server.stopping.set()
    assert await server.wait_log(number, seen) is seen
