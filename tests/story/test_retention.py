"""Stories of old builds: the server removes them by itself, and says so to whoever asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import trio
from trio.testing import MockClock

from ci.model import Status
from ci.server.retention import PAUSE_S
from ci.server.views import BuildFilter
from tests.story.world import World

DAY_S = 24 * 3600
SHORT = 50 << 20  # bytes; less than minFreeBytes


async def _numbers(world: World) -> list[int]:
    return [build.number for build in (await world.server.builds(BuildFilter())).builds]


async def _end_one(world: World) -> int:
    number = await world.submit()
    await world.server.cancel(number)
    return number


async def test_old_builds_go_by_themselves(world: World, autojump_clock: MockClock) -> None:
    """Within about an hour of the time that the rule says; what waits stays."""
    await world.start_server(keepDays=1)
    old = await _end_one(world)
    waiting = await world.submit()
    await trio.sleep(DAY_S / 2)
    young = await _end_one(world)
    await trio.sleep(DAY_S / 2 - 3700)
    assert await _numbers(world) == [young, waiting, old]
    shown = world.server.version()
    await trio.sleep(2 * 3700)
    assert await _numbers(world) == [young, waiting]
    assert world.server.version() != shown, "open pages are told"


async def test_a_disk_that_gets_short_is_no_reason_to_wait(
    world: World, autojump_clock: MockClock
) -> None:
    """The rules are kept to at once; and again when it gets short again, not all the time."""
    await world.start_server(keepBuilds=1)
    waiting = [await world.submit() for _ in range(2)]
    first, second = await _end_one(world), await _end_one(world)
    await trio.sleep(PAUSE_S)
    assert await _numbers(world) == [second, first, *reversed(waiting)]
    world.free_bytes = SHORT
    assert world.server.trouble() is not None
    await trio.sleep(1)
    assert await _numbers(world) == [second, *reversed(waiting)]
    await world.server.cancel(waiting[1])
    await trio.sleep(2 * PAUSE_S)
    assert await _numbers(world) == [second, *reversed(waiting)], "once is enough"
    for world.free_bytes in (10**12, SHORT):
        world.server.trouble()
    await trio.sleep(1)
    assert await _numbers(world) == [second, waiting[0]]


async def test_a_clock_that_is_ahead_removes_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    """Neither at a start, nor when builds have ended by it for some hours."""
    await world.start_server(keepDays=30)
    old = await _end_one(world)
    await world.kill_server()
    world.clock_is_ahead = timedelta(days=3000)
    await world.start_server(keepDays=30)
    new = await _end_one(world)
    await trio.sleep(DAY_S / 2)
    newest = await _end_one(world)
    await trio.sleep(3700)
    assert await _numbers(world) == [newest, new, old]


async def test_a_removed_build_says_so_everywhere(world: World, autojump_clock: MockClock) -> None:
    """404 with the reason in words, on each address of it; its agent is told to drop it."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    for _ in range(2):
        number = await world.submit()
        await world.wait_count(agent.taken, number)
        await agent.log(f"{number}.1.1", 0, b"red\n")
        await agent.finish(f"{number}.1.1", exit_code=1, log_size=4)
        await world.wait_build(number, Status.FAILURE)
    await world.kill_server()
    await world.start_server(keepBuilds=1)
    await trio.sleep(1)
    async with world.network.client("http://server:8080") as http:
        for path in ("/build/1", "/build/1/log", "/build/1?part=head", "/api/builds/1/log"):
            answer = await http.get(path)
            assert (answer.status_code, "removed by the rules" in answer.text) == (404, True)
        for path in ("/build/1/rerun", "/api/builds/1/cancel"):
            answer = await http.post(path)
            assert (answer.status_code, "removed by the rules" in answer.text) == (404, True)
        assert "removed" not in (await http.get("/api/builds/3")).text
        assert (await http.get("/build/2/log")).text == "red\n"
    assert (await agent.log("1.1.1", 4, b"late")).status_code == 410
    assert (await agent.finish("1.1.1", exit_code=1, log_size=4)).status_code == 410
    assert await world.submit() == 3


async def test_while_the_disk_is_short_it_is_tried_again(
    world: World, autojump_clock: MockClock
) -> None:
    """A store that finds its disk full at first removes what may go as soon as it can."""
    server = await world.start_server(keepBuilds=1)
    _, second = await _end_one(world), await _end_one(world)
    await trio.sleep(PAUSE_S)
    connection: Any = server._store._writer._connection.connection.driver_connection
    connection.execute("PRAGMA query_only = 1")
    world.free_bytes = SHORT
    server.trouble()
    await trio.sleep(3 * PAUSE_S)
    assert len(await _numbers(world)) == 2
    connection.execute("PRAGMA query_only = 0")
    await trio.sleep(2 * PAUSE_S)
    assert await _numbers(world) == [second]
