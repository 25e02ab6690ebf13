"""A disk that hangs: an agent refuses at once, and nothing piles up behind a server's."""

from __future__ import annotations

import httpx
import pytest
import trio
from trio.testing import MockClock

from ci.errors import Busy
from ci.model import AgentState, BuildRequest, Status
from ci.server.store.writer import MAX_ORDERS
from tests.story.world import World

REQUEST = BuildRequest("demo", "/srv/git/demo", "main", "true")


async def _health(world: World) -> httpx.Response:
    async with world.network.client("http://server:8080") as http:
        return await http.get("/healthz")


async def test_a_health_check_that_was_given_up_leaves_nothing_behind(
    world: World, autojump_clock: MockClock
) -> None:
    """However many have asked while the disk hung, it has not to write for them afterwards."""
    await world.start_server()
    world.server_life.slow = {"Store.check_writable": 100}
    for _ in range(10):
        assert "did not write within 5 s" in (await _health(world)).json()["problems"][0]
    assert world.server._store._writer._waiting == []
    await trio.sleep(100)
    world.server_life.slow = {}
    assert (await _health(world)).status_code == 200


async def test_behind_too_many_changes_people_are_told_to_come_again(
    world: World, autojump_clock: MockClock
) -> None:
    """At once; a health check too, which is not well then."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    await oak.register()
    world.server_life.slow = {"Store.accept": 100}
    async with trio.open_nursery() as asking:
        for _ in range(MAX_ORDERS):
            asking.start_soon(world.server._store.accept, REQUEST)
        await trio.sleep(1)
        for _ in range(MAX_ORDERS - len(world.server._store._writer._waiting)):
            asking.start_soon(world.server._store.accept, REQUEST)
        await trio.sleep(1)
        with trio.fail_after(1):
            with pytest.raises(Busy, match="can't keep up"):
                await world.server.set_paused("oak", True)
            assert "can't keep up" in (await _health(world)).json()["problems"][0]
        world.server_life.slow = {}
    assert (await _health(world)).status_code == 200


async def test_an_agent_whose_disk_hangs_in_mid_build_is_not_lost(
    world: World, autojump_clock: MockClock
) -> None:
    """Whoever waits for a word on its log waits; it still says that it is there."""
    await world.start_server()
    await world.start_agent(8081)
    number = await world.submit("echo one; sleep 100; echo two")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(1)
    world.agent_life(8081).slow = {"Output.measure": 600}
    await trio.sleep(300)
    assert await world.log(number) == b"one\n"
    (view,) = await world.server.agents()
    assert view.state is AgentState.ONLINE
    world.agent_life(8081).slow = {}
    view_after = await world.wait_build(number)
    assert (view_after.build.status, len(view_after.attempts)) == (Status.SUCCESS, 1)
    assert await world.log(number) == b"one\ntwo\n"


async def test_an_agent_whose_disk_hangs_refuses_at_once(
    world: World, autojump_clock: MockClock
) -> None:
    """The build goes to another agent, as its first attempt; nothing of it stays with the first."""
    await world.start_server()
    agent = await world.start_agent(8081)
    await world.wait_state(AgentState.ONLINE)
    life = world.agent_life(8081)
    life.slow = {"Folder.create": 600}
    number = await world.submit()
    await trio.sleep(1)
    await world.start_agent(8082)
    view = await world.wait_build(number, limit_s=10)
    assert [(attempt.agent, attempt.status) for attempt in view.attempts] == [
        ("agent-8082", Status.SUCCESS)
    ]
    assert "hangs" in (await agent.status())["problem"]
    assert agent.attempts.states() == []
    await world.kill_agent(8082)
    life.slow = {}
    view = await world.wait_build(await world.submit())
    assert view.build.agent == "agent-8081"
    assert list((world.folder / "agent-8081" / "spool").iterdir()) == []
