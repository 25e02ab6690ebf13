"""More agents than anybody has: a limit, and the same cost for each of them."""

from __future__ import annotations

from typing import Final

import trio
from quart import Response, jsonify
from quart_trio import QuartTrio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ci.model import AgentState
from tests.story.world import SERVER, World

PLACE: Final = "agent:9001"


async def register(world: World, name: str, status: int = 200, **said: object) -> None:
    """Register a name at one and the same address."""
    agent = world.agent(9001, name=name, **said)
    answer = await agent.post("/notify_agent", json=agent.said)
    assert answer.status_code == status, answer.text
    if status == 409:
        error = answer.json()["error"]
        assert error["field"] == "name"
        assert "limit (maxAgents)" in error["message"]


async def states(world: World) -> dict[str, AgentState]:
    """Who is there, and how."""
    return {view.agent.name: view.state for view in await world.server.agents()}


async def test_one_agent_too_many_is_refused(world: World, autojump_clock: MockClock) -> None:
    """Those that are known always get in; lost ones count, forgotten ones do not."""
    await world.start_server(maxAgents=2)
    with capture_logs() as lines:
        await register(world, "ash")
        await register(world, "elm")
        for name in ("oak", "fir", "oak"):
            await register(world, name, 409)
        await register(world, "ash", slots=7)
    assert [line["event"] for line in lines if line["log_level"] == "warning"].count(
        "agents refused"
    ) == 1
    async with world.network.client() as client:
        page = (await client.get(f"http://{SERVER}/agents", headers={"Accept": "text/html"})).text
    assert page.count("maxAgents") == 1
    await world.kill_server()
    await world.start_server(maxAgents=2)
    await register(world, "oak", 409)
    await world.wait_state(AgentState.LOST)
    await trio.sleep(60)
    await world.server.forget_agent("elm")
    await register(world, "oak")
    await register(world, "elm", 409)  # it is new again
    assert set(await states(world)) == {"ash", "oak"}
    await world.kill_server()
    await world.start_server(maxAgents=1)  # lowered: nobody has to go
    await register(world, "ash")
    assert set(await states(world)) == {"ash", "oak"}


async def test_many_new_ones_at_once_do_not_get_past_the_limit(
    world: World, autojump_clock: MockClock
) -> None:
    """However many are on their way into the store together."""
    await world.start_server(maxAgents=5)
    taken: list[int] = []

    async def register_one(number: int) -> None:
        agent = world.agent(9001, name=f"oak-{number}")
        taken.append((await agent.post("/notify_agent", json=agent.said)).status_code)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(register_one, number)
    assert sorted(taken) == [200] * 5 + [409] * 15
    assert len(await states(world)) == 5


def anonymous() -> QuartTrio:
    """An agent of others: it answers, and does not say who it is."""
    app = QuartTrio("anonymous")

    @app.get("/status")
    async def status() -> Response:
        return jsonify({})

    return app


async def test_each_registration_at_one_address_costs_the_same(
    world: World, autojump_clock: MockClock
) -> None:
    """With a hundred that name it as theirs, nobody but the one before is asked again."""
    await world.start_server()
    world.network.apps[PLACE] = anonymous()

    async def questions(names: range) -> int:
        before = len(world.network.requests)
        for number in names:
            await register(world, f"oak-{number}", protocol=0, home_id="")
            await trio.testing.wait_all_tasks_blocked()
        asked = [path for _, path, _ in world.network.requests[before:]]
        return asked.count("/status")

    await questions(range(1))
    first = await questions(range(1, 11))
    await questions(range(11, 100))
    assert await questions(range(100, 110)) == first


async def test_who_said_it_last_lives_at_an_address(
    world: World, autojump_clock: MockClock
) -> None:
    """One agent under two names would get twice the builds that it has slots for."""
    await world.start_server()
    world.network.apps[PLACE] = anonymous()
    for name in ("ash", "elm"):
        await register(world, name, protocol=0, home_id="")
        await trio.sleep(60)
    assert await states(world) == {"ash": AgentState.LOST, "elm": AgentState.ONLINE}
    await world.kill_server()
    await world.start_server()
    await trio.sleep(60)
    assert await states(world) == {"ash": AgentState.LOST, "elm": AgentState.ONLINE}
    await register(world, "ash", protocol=0, home_id="")
    await trio.sleep(60)
    assert await states(world) == {"ash": AgentState.ONLINE, "elm": AgentState.LOST}
    (problem,) = [view.problem for view in await world.server.agents() if view.problem]
    assert "'ash' has registered at this address" in problem
    await world.server.forget_agent("elm")
    await register(world, "elm", protocol=0, home_id="")
    await trio.sleep(60)
    await world.server.forget_agent("ash")
    await trio.sleep(60)
    assert await states(world) == {"elm": AgentState.ONLINE}
