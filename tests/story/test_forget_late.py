"""An agent that comes back in the very moment in which a person forgets it."""

from __future__ import annotations

from trio.testing import MockClock

from ci.model import AgentState, Status
from tests.story.world import World


async def test_who_is_forgotten_while_it_comes_online_may_register_at_once(
    world: World, autojump_clock: MockClock
) -> None:
    """Its old link, which still puts a build back, takes nothing of the new one with it."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    await oak.register()
    await world.wait_state(AgentState.ONLINE)
    oak.down()
    await world.wait_state(AgentState.LOST)
    number = await world.submit()
    world.server_life.slow = {"Store.forget_agent": 60, "Store.put_back": 4}

    world.nursery.start_soon(world.server.forget_agent, "oak")
    oak.up()
    await world.wait_state(AgentState.ONLINE)
    await oak.register()  # answered after the forgetting: both wait for the same disk
    await world.wait_count(oak.taken)
    await oak.finish(oak.taken[0])
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    oak.down()
    await world.wait_state(AgentState.LOST)
