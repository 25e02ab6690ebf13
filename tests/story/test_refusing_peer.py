"""An agent that refuses everything is nobody to leave a build to."""

from __future__ import annotations

from trio.testing import MockClock

from ci.model import AgentState, Status
from tests.story.world import World


async def test_a_lost_build_is_not_left_to_a_peer_that_refuses(
    world: World, autojump_clock: MockClock
) -> None:
    """It gets its turn before what was asked for later, also at the agent that lost it."""
    await world.start_server(graceSeconds=10)
    oak = world.agent(9001, name="oak")
    await oak.register()
    for _ in range(30):
        await world.submit()
    await world.wait_count(oak.taken)
    elm = world.agent(9002, name="elm", slots=2)
    elm.refuses = True
    await elm.register()
    oak.down()
    await world.wait_state(AgentState.LOST)
    await world.wait_build(1, Status.WAITING)
    oak.jobs.clear()
    await oak.register()
    await world.wait_count(oak.taken, 2)
    assert oak.taken[1].startswith("1.1."), "the peer may have been offered it in between"


async def test_an_agent_that_refuses_is_not_shown_as_one_that_takes_work(
    world: World, autojump_clock: MockClock
) -> None:
    """It answers, so it is online; until it takes a build the page says that it takes none."""
    await world.start_server()
    agent = world.agent()
    agent.refuses = True
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    [view] = await world.server.agents()
    assert view.takes_work
    assert view.refused is None
    version = world.server.version()
    await world.submit()

    async def refuses() -> bool:
        [view] = await world.server.agents()
        return not view.takes_work and bool(view.problem)

    await world.wait_for(refuses)
    assert world.server.version() != version
    agent.refuses = False
    await world.wait_count(agent.taken)
    [view] = await world.server.agents()
    assert view.takes_work
    assert view.refused is not None, "it is remembered"
    assert (view.refused.build, view.refused.why) == (1, "answered 409: no free slot")


async def test_a_build_that_waits_for_an_agent_that_refuses_says_so(
    world: World, autojump_clock: MockClock
) -> None:
    """Nothing runs there, so no slot is busy; people need to know what the agent answers."""
    await world.start_server()
    agent = world.agent(slots=2)
    agent.refuses = True
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    numbers = [await world.submit() for _ in range(4)]

    async def refuses() -> bool:
        words = [(await world.server.build(number)).waiting_for or "" for number in numbers]
        return all("takes work" in each and "answered 409: no free slot" in each for each in words)

    await world.wait_for(refuses)
    agent.refuses = False
    await world.wait_count(agent.taken, 2)
    waits = (await world.server.build(numbers[3])).waiting_for
    assert "2nd in line; both slots of agent agent-9001 are busy (#1, #2)" in str(waits)
