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
