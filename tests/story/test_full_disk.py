"""Stories of a server whose disk is short: nothing that was answered is lost, and it goes on."""

from __future__ import annotations

import httpx
import pytest
import trio
from trio.testing import MockClock

from ci.errors import StoreFailed
from ci.model import Status
from ci.server.withdrawal import OVERTIME_S
from tests.story.test_canceled import STUBBORN
from tests.story.world import World

SHORT = 50 << 20  # bytes; less than minFreeBytes


async def _get(world: World, path: str) -> httpx.Response:
    async with world.network.client("http://server:8080") as http:
        return await http.get(path, headers={"Accept": "text/html"})


async def test_what_is_large_or_can_wait_is_refused(
    world: World, autojump_clock: MockClock
) -> None:
    """New builds and logs, with 503 and words; nothing of them is kept."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    await agent.log("1.1.1", 0, b"before")
    world.free_bytes = SHORT
    with pytest.raises(StoreFailed, match="disk is short"):
        await world.submit()
    body = {"commit": "main", "command": "true"}
    answer = await agent.post("/api/builds", json=body)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert "minFreeBytes" in answer.json()["error"]["message"]
    assert (await agent.log("1.1.1", 6, b"more")).status_code == 503
    inline = await agent.post("/notify_build_result", json={"id": "1.1.1", "status": 0, "log": "x"})
    assert inline.status_code == 503
    view = await world.server.build(number)
    assert (view.build.status, view.build.log_size) == (Status.RUNNING, 6)
    world.free_bytes = 10**12
    assert await world.submit() == 2, "no number was lost"


async def test_an_end_always_finds_room(world: World, autojump_clock: MockClock) -> None:
    """A result whose log is there already is taken, and so is a cancel."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    first, second = await world.submit(), await world.submit()
    await world.wait_count(agent.taken)
    await agent.log("1.1.1", 0, b"all of it")
    world.free_bytes = SHORT
    assert (await agent.finish("1.1.1", log_size=9)).status_code == 200
    assert (await world.wait_build(first)).build.status is Status.SUCCESS
    assert (await world.server.cancel(second)).status is Status.CANCELED


async def test_it_is_said_on_every_page_and_by_the_health(
    world: World, autojump_clock: MockClock
) -> None:
    """In words, from the moment on; open pages are told, and told again when there is room."""
    await world.start_server()
    await world.submit()
    pages = ("/", "/build/1", "/agents", "/build/99")
    well = world.server.version()
    assert (await _get(world, "/healthz")).status_code == 200
    world.free_bytes = SHORT
    assert world.server.version() != well
    for path in pages:
        assert 'role="alert">The server&#39;s disk is short' in (await _get(world, path)).text
    answer = await _get(world, "/healthz")
    assert answer.status_code == 503
    assert "disk is short" in answer.json()["problems"][0]
    world.free_bytes = 10**12
    assert world.server.version() == well
    for path in pages:
        assert "disk is short" not in (await _get(world, path)).text
    assert (await _get(world, "/healthz")).status_code == 200


async def test_agents_keep_what_they_have_until_there_is_room(
    world: World, autojump_clock: MockClock
) -> None:
    """A build that ended meanwhile is delivered whole, however long that was; the next ones too."""
    await world.start_server(buildTimeoutSeconds=30)
    await world.start_agent()
    numbers = [await world.submit("echo one; sleep 20; echo two") for _ in range(3)]
    await world.wait_build(numbers[0], Status.RUNNING)
    await trio.sleep(10)
    world.free_bytes = SHORT
    await trio.sleep(300)
    world.free_bytes = 10**12
    for number in numbers:
        view = await world.wait_build(number)
        assert view.build.status is Status.SUCCESS
        assert len(view.attempts) == 1, "nothing was done twice"
        assert await world.log(number) == b"one\ntwo\n"


async def test_room_that_comes_just_before_the_limit_is_time_to_deliver(
    world: World, autojump_clock: MockClock
) -> None:
    """A build that ended while the disk was short is not given up, and not done twice."""
    await world.start_server(buildTimeoutSeconds=30)
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    world.free_bytes = SHORT
    assert (await agent.log("1.1.1", 0, b"all of it")).status_code == 503
    await trio.sleep(30 + OVERTIME_S - 5)
    assert (await agent.log("1.1.1", 0, b"all of it")).status_code == 503
    world.free_bytes = 10**12
    await trio.sleep(30)
    assert (await agent.log("1.1.1", 0, b"all of it")).status_code == 200
    assert (await agent.finish("1.1.1", log_size=9)).status_code == 200
    assert (await world.wait_build(number)).build.status is Status.SUCCESS


async def test_a_disk_that_was_short_is_no_excuse_for_ever(
    world: World, autojump_clock: MockClock
) -> None:
    """Once there is room, what goes on to be silent has as long as any result has, no longer."""
    await world.start_server(buildTimeoutSeconds=3600)
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    await trio.sleep(3600 + OVERTIME_S - 10)
    world.free_bytes = SHORT
    assert (await agent.log("1.1.1", 0, b"all of it")).status_code == 503
    world.free_bytes = 10**12
    await trio.sleep(60)
    assert (await world.server.build(number)).build.status is Status.RUNNING
    await world.wait_build(number, Status.WAITING, limit_s=OVERTIME_S)


async def test_canceled_builds_do_not_pile_up_on_an_agent(
    world: World, autojump_clock: MockClock
) -> None:
    """What it may not deliver holds its slot, so it has no more of them than slots."""
    await world.start_server()
    await world.start_agent()
    spool = world.folder / "agent-8081" / "spool"
    numbers = [await world.submit(STUBBORN) for _ in range(3)]
    await world.wait_build(numbers[0], Status.RUNNING)
    await trio.sleep(4)
    world.free_bytes = SHORT
    await world.server.cancel(numbers[0])  # it still prints something
    await trio.sleep(600)
    assert (await world.server.build(numbers[1])).build.status is Status.WAITING
    assert len(list(spool.iterdir())) == 1
    world.free_bytes = 10**12
    await world.wait_build(numbers[1], Status.RUNNING, limit_s=60)
    assert await world.log(numbers[0]) == b"one\ntwo\nthree\n"
