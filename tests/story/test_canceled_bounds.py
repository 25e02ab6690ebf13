"""Stories of canceled builds whose agents do not come to an end with them, or were just asked."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from ci.model import AgentState, Status
from ci.server.withdrawal import OVERTIME_S
from tests.story.test_canceled import cancel_running, expect_end
from tests.story.world import World

LIMIT_S = 600  # of a build
SHORT = 50 << 20  # bytes; less than minFreeBytes


async def test_an_agent_that_names_it_for_ever_keeps_no_log_open(
    world: World, autojump_clock: MockClock
) -> None:
    """It has as long as any build has; what it brings after that is refused."""
    await world.start_server(buildTimeoutSeconds=LIMIT_S)
    agent = world.agent()
    id = await cancel_running(world, agent)
    await agent.log(id, 0, b"one\n")
    await trio.sleep(LIMIT_S)
    assert (await world.server.log(1)).growing
    await trio.sleep(OVERTIME_S + 60)
    await expect_end(world, b"one\n", None)
    assert (await agent.log(id, 4, b"two\n")).status_code == 410


async def test_what_a_short_disk_keeps_out_is_waited_for(
    world: World, autojump_clock: MockClock
) -> None:
    """It was the server that did not take it, however long."""
    await world.start_server(buildTimeoutSeconds=LIMIT_S)
    agent = world.agent()
    id = await cancel_running(world, agent)
    world.free_bytes = SHORT
    for _ in range(2 * LIMIT_S // 30):
        assert (await agent.log(id, 0, b"one\n")).status_code == 503
        await trio.sleep(30)
    world.free_bytes = 10**12
    assert (await agent.log(id, 0, b"one\n")).status_code == 200
    assert (await agent.finish(id, log_size=4)).status_code == 200
    await expect_end(world, b"one\n", 4)


async def test_an_agent_of_others_has_its_time_once(
    world: World, autojump_clock: MockClock
) -> None:
    """Each time it is lost and found again it would have as long as a build may take."""
    await world.start_server(buildTimeoutSeconds=LIMIT_S)
    agent = world.agent(protocol=0)
    agent.terse = True
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    await world.server.cancel(1)
    for _ in range((LIMIT_S + int(OVERTIME_S)) // 60):
        await trio.sleep(60)
        agent.down()
        await world.wait_state(AgentState.LOST)
        agent.up()
        await world.wait_state(AgentState.ONLINE)
    await trio.sleep(10)
    await expect_end(world, b"", None)
    number = await world.submit()
    await world.wait_build(number, Status.RUNNING, limit_s=10)


async def test_who_is_just_being_asked_is_heard_to_the_end(
    world: World, autojump_clock: MockClock
) -> None:
    """Its agent has it a moment later, ends it at once, and what it printed by then is kept."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    world.network.delays["/build"] = 4
    await world.submit()

    async def asked() -> bool:
        return any(path == "/build" for _, path, _ in world.network.requests)

    await world.wait_for(asked)
    await world.server.cancel(1)
    assert (await world.server.build(1)).build.status is Status.CANCELED
    await world.wait_count(agent.canceled, limit_s=10)
    assert agent.taken == agent.canceled == ["1.1.1"]
    assert (await agent.log("1.1.1", 0, b"begun\n")).status_code == 200
    assert (await agent.finish("1.1.1", log_size=6)).status_code == 200
    await expect_end(world, b"begun\n", 6)
