"""Stories of canceled builds whose server starts anew before their end is there."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
import trio
from trio.testing import MockClock

from ci.model import AgentState, Status
from ci.server.withdrawal import OVERTIME_S
from tests.fakes.agent import FakeAgent
from tests.story.test_canceled import cancel_running
from tests.story.world import World

SHORT = 50 << 20  # bytes; less than minFreeBytes
LIMIT_S = 600  # of a build


async def _restart(world: World) -> None:
    await world.kill_server()
    await world.start_server(buildTimeoutSeconds=LIMIT_S)


async def _leave_canceled(world: World) -> FakeAgent:
    """Restart a server under an agent of others, which has a canceled build and says nothing."""
    await world.start_server(buildTimeoutSeconds=LIMIT_S)
    agent = world.agent(protocol=0)
    agent.terse = True
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    await world.server.cancel(1)
    await trio.sleep(5)
    await _restart(world)
    await trio.sleep(5)
    return agent


async def _deliver(agent: FakeAgent) -> httpx.Response:
    result = {"id": "1.1.1", "status": 0, "stdout": "done\n"}
    return await agent.post("/notify_build_result", json=result)


def _asked_to_build(world: World) -> int:
    return sum(path == "/build" for _, path, _ in world.network.requests)


async def test_a_clock_that_leaps_ahead_closes_no_log(
    world: World, autojump_clock: MockClock
) -> None:
    """A wrong time of day for two heartbeats is no reason to refuse what the agent brings then."""
    agent = await _leave_canceled(world)
    world.clock_is_ahead = timedelta(days=1)
    await trio.sleep(10)
    world.clock_is_ahead = timedelta(0)
    assert (await _deliver(agent)).status_code == 200
    assert await world.log(1) == b"done\n"


async def test_a_clock_that_is_set_back_keeps_no_log_open(
    world: World, autojump_clock: MockClock
) -> None:
    """The agent has as long as any build has, by no clock that anybody sets."""
    agent = await _leave_canceled(world)
    world.clock_is_ahead = -timedelta(days=1)
    await trio.sleep(LIMIT_S - 60)
    assert (await world.server.log(1)).growing
    await trio.sleep(60 + OVERTIME_S + 60)
    assert not (await world.server.log(1)).growing
    assert (await _deliver(agent)).status_code == 410


async def test_what_a_short_disk_refused_is_taken_later(
    world: World, autojump_clock: MockClock
) -> None:
    """An end that the server itself does not take is waited for, however long that lasts."""
    agent = await _leave_canceled(world)
    world.free_bytes = SHORT
    for _ in range(2 * LIMIT_S // 30):
        assert (await _deliver(agent)).status_code == 503
        await trio.sleep(30)
    world.free_bytes = 10**12
    assert (await _deliver(agent)).status_code == 200
    assert await world.log(1) == b"done\n"


async def test_the_next_build_waits_until_the_processes_are_gone(
    world: World, autojump_clock: MockClock
) -> None:
    """It is offered to the agent once, when there is a free slot; no try is used up before."""
    await world.start_server()
    await world.start_agent(killGraceSeconds=20)
    await world.wait_state(AgentState.ONLINE)
    await world.submit("trap '' TERM; echo one; sleep 1000")
    await world.wait_build(1, Status.RUNNING)
    await trio.sleep(4)
    await world.server.cancel(1)
    await _restart(world)
    view = await world.wait_build(await world.submit("echo next"), limit_s=60)
    assert (view.build.status, view.attempts[-1].id) == (Status.SUCCESS, "2.1.1")
    assert _asked_to_build(world) == 2


@pytest.mark.parametrize("slots", [1, 2])
async def test_no_agent_is_given_more_than_it_has_slots(
    world: World, autojump_clock: MockClock, slots: int
) -> None:
    """However many canceled builds it still had when the server found it again."""
    await world.start_server()
    agent = world.agent(slots=slots)
    await cancel_running(world, agent)
    for number in (2, 3):
        await world.submit()
        await world.wait_count(agent.taken, number)
        await world.server.cancel(number)
        await world.wait_count(agent.canceled, number)
    await _restart(world)
    for _ in range(3):
        await world.submit()
    await trio.sleep(300)
    assert agent.taken == ["1.1.1", "2.1.1", "3.1.1", "4.1.1", "5.1.1"][: 3 + slots]
    assert _asked_to_build(world) == 3 + slots
