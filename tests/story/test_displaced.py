"""A site whose agents have another name after each start: the list of agents does not fill up."""

from __future__ import annotations

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ci.model import AgentState
from ci.server.member import LONG_LOST_S
from tests.fakes.agent import FakeAgent
from tests.story.test_many_agents import states
from tests.story.world import World


async def lose(world: World, agent: FakeAgent) -> None:
    """End an agent, and wait until the server has noticed."""
    agent.down()

    async def lost() -> bool:
        return (await states(world))[agent.said["name"]] is AgentState.LOST

    await world.wait_for(lost)


async def start(world: World, *names: str) -> list[FakeAgent]:
    """Start agents, each at an address of its own, and wait until they are online."""
    agents = [world.agent(9001 + nth, name=name) for nth, name in enumerate(names)]
    for agent in agents:
        await agent.register()
        await trio.sleep(1)
    assert set((await states(world)).values()) == {AgentState.ONLINE}
    return agents


async def answer(world: World, name: str) -> int:
    """Register a new agent and return what the server answers."""
    agent = world.agent(9900, name=name)
    agent.up()
    return (await agent.post("/notify_agent", json=agent.said)).status_code


async def test_a_new_agent_takes_the_place_of_the_one_that_is_lost_longest(
    world: World, autojump_clock: MockClock
) -> None:
    """Not before it was away for long; and the log says so. It is welcome when it is back."""
    await world.start_server(maxAgents=3)
    ash, elm, _ = await start(world, "ash", "elm", "fir")
    await lose(world, elm)
    await lose(world, ash)
    await trio.sleep(LONG_LOST_S - 60)
    assert await answer(world, "oak") == 409
    await trio.sleep(60)
    with capture_logs() as lines:
        assert await answer(world, "oak") == 200
    (told,) = [line for line in lines if line["event"] == "agent displaced"]
    assert (told["agent"], told["by"], told["log_level"]) == ("elm", "oak", "info")
    assert set(await states(world)) == {"ash", "fir", "oak"}
    elm.up()
    await elm.register()
    assert set(await states(world)) == {"elm", "fir", "oak"}
    await world.kill_server()
    await world.start_server(maxAgents=3)
    assert set(await states(world)) == {"elm", "fir", "oak"}
    assert await answer(world, "ivy") == 409, "they have yet to be asked how they are"


async def test_who_is_paused_or_holds_a_build_keeps_its_place(
    world: World, autojump_clock: MockClock
) -> None:
    """However long it is away: somebody has a plan with it, or its build waits for it."""
    await world.start_server(maxAgents=3, graceSeconds=2 * LONG_LOST_S)
    elm = world.agent(9001, name="elm")
    await elm.register()
    await world.submit()
    await world.wait_count(elm.taken)
    ash = world.agent(9002, name="ash")
    fir = world.agent(9003, name="fir")
    for agent in (ash, fir):
        await agent.register()
    await world.server.set_paused("ash", paused=True, note="its disk is changed")
    for agent in (elm, ash):
        await lose(world, agent)
    await trio.sleep(LONG_LOST_S + 60)
    assert await answer(world, "oak") == 409
    await world.server.set_paused("ash", paused=False)
    assert await answer(world, "oak") == 200
    assert set(await states(world)) == {"elm", "fir", "oak"}


async def test_many_new_ones_at_once_take_the_places_of_as_many(
    world: World, autojump_clock: MockClock
) -> None:
    """Each of them another's, and no more than there are."""
    await world.start_server(maxAgents=4)
    agents = await start(world, "ash", "elm", "fir", "yew")
    for agent in agents[:3]:
        await lose(world, agent)
    await trio.sleep(LONG_LOST_S)
    answers: list[int] = []

    async def register(name: str) -> None:
        answers.append(await answer(world, name))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(register, f"new-{number}")
    assert sorted(answers) == [200] * 3 + [409] * 2
    known = await states(world)
    assert len(known) == 4
    assert "yew" in known


async def test_who_is_lost_for_long_is_asked_rarely(
    world: World, autojump_clock: MockClock
) -> None:
    """A thousand of them would be asked thirty times a second; they register when they are back."""
    await world.start_server()
    (elm,) = await start(world, "elm")
    await lose(world, elm)

    async def times_asked(seconds: float) -> int:
        before = len(world.network.requests)
        await trio.sleep(seconds)
        return len(world.network.requests) - before

    assert await times_asked(LONG_LOST_S) > 20
    await trio.sleep(24 * 3600)
    assert 2 <= await times_asked(3600) < 40
    await elm.register()
    await trio.sleep(1)
    assert await states(world) == {"elm": AgentState.ONLINE}
    await lose(world, elm)
    assert await times_asked(LONG_LOST_S) > 20, "it is a fresh loss"
