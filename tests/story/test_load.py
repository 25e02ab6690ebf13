"""Many builds, many agents, and one that is no good: nothing is lost and nobody waits in vain."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from ci.model import AgentState, Reason, Status
from ci.server.views import BuildFilter
from tests.fakes.worker import WorkingAgent
from tests.story.world import SERVER, World

AGENTS = 20
BUILDS = 300
GRACE_S = 30
_EPSILON_S = 0.001  # what adding up many floats may cost


def seconds(number: int) -> float:
    """How long a build takes: some are quick, some are slow, always the same ones."""
    return random.Random(number).choice((0.5, 1, 3, 20))


async def start_agents(world: World, slots: list[int]) -> list[WorkingAgent]:
    """Start one agent for each number of slots, and wait until all are online."""
    agents = [
        WorkingAgent(world.nursery, world.network, SERVER, 9000 + n, seconds, slots=count)
        for n, count in enumerate(slots)
    ]
    for agent in agents:
        await agent.register()
    await wait_online(world, agents)
    return agents


async def wait_online(world: World, agents: list[WorkingAgent]) -> None:
    """Block until all of these are online."""
    names = {agent.said["name"] for agent in agents}

    async def online() -> bool:
        views = await world.server.agents()
        return names <= {v.agent.name for v in views if v.state is AgentState.ONLINE}

    await world.wait_for(online)


async def submit_all(world: World, count: int) -> None:
    """Ask for all at the same moment."""
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(world.submit)


async def wait_all_ended(world: World) -> None:
    """Block until nothing waits or runs."""

    async def done() -> bool:
        counts = await world.server.counts()
        return counts[Status.WAITING] == counts[Status.RUNNING] == 0

    await world.wait_for(done)


def fair_starts(slots: int, numbers: Sequence[int]) -> list[float]:
    """Seconds after which each build starts when no slot is ever idle while a build waits."""
    free = [0.0] * slots
    starts = []
    for number in numbers:
        starts.append(free[0])
        heapq.heapreplace(free, free[0] + seconds(number))
    return starts


async def test_many_builds_on_twenty_agents(world: World, autojump_clock: MockClock) -> None:
    """Each ends once, in order, and starts at the very moment at which a slot is free for it."""
    await world.start_server()
    slots = [1 + n % 4 for n in range(AGENTS)]
    agents = await start_agents(world, slots)
    began = world.now()
    await submit_all(world, BUILDS)
    await wait_all_ended(world)

    page = await world.server.builds(BuildFilter(limit=BUILDS))
    views = await world.server.views(page.builds[::-1])
    assert [view.build.number for view in views] == list(range(1, BUILDS + 1))
    assert {view.build.status for view in views} == {Status.SUCCESS}
    assert {len(view.attempts) for view in views} == {1}
    assert sorted(id for agent in agents for id in agent.taken) == sorted(
        f"{number}.1.1" for number in range(1, BUILDS + 1)
    )
    expected_starts = fair_starts(sum(slots), range(1, BUILDS + 1))
    for view, expected in zip(views, expected_starts, strict=True):
        assert view.build.started_at is not None
        started = (view.build.started_at - began).total_seconds()
        assert abs(started - expected) < _EPSILON_S, f"build {view.build.number}"


async def test_the_limit_is_told_and_lost_builds_come_back_over_it(
    world: World, autojump_clock: MockClock
) -> None:
    """API and form answer 503 with Retry-After; a lost attempt is followed by another anyway."""
    await world.start_server(maxWaitingBuilds=2)
    agent = world.agent(slots=2)
    await agent.register()
    await submit_all(world, 2)
    await world.wait_count(agent.taken, 2)
    await submit_all(world, 2)

    body = {"commit": "main", "command": "keep <me>"}
    for path, content in (("/api/builds", {"json": body}), ("/builds", {"data": body})):
        answer = await agent.post(path, **content)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "2 builds wait already" in answer.text
    assert "keep &lt;me&gt;" in answer.text
    agent.down()
    await trio.sleep(60)  # longer than the grace time
    assert (await world.server.counts())[Status.WAITING] == 4
    assert (await agent.post("/api/builds", json=body)).status_code == 503
    first = await world.server.build(1)
    assert first.attempts[0].reason is Reason.AGENT_LOST
    assert first.queue_position == 1

    await start_agents(world, [4])
    await wait_all_ended(world)
    assert (await agent.post("/api/builds", json=body)).status_code == 201


async def test_agents_are_not_asked_in_one_breath(world: World, autojump_clock: MockClock) -> None:
    """A hundred that came at the same moment are asked evenly over the interval, each in time."""
    await world.start_server(heartbeatSeconds=5)
    agents = await start_agents(world, [1] * 100)
    await trio.sleep(10)
    asked = [agent.asked for agent in agents]
    busiest = 0
    for _ in range(50):
        before = sum(agent.asked for agent in agents)
        await trio.sleep(0.1)
        busiest = max(busiest, sum(agent.asked for agent in agents) - before)
    assert busiest <= 10
    assert [agent.asked - before for agent, before in zip(agents, asked, strict=True)] == [1] * 100


@pytest.mark.parametrize("deaf", [False, True], ids=["silent", "deaf"])
async def test_an_agent_that_never_answers_slows_nobody(
    world: World, autojump_clock: MockClock, deaf: bool
) -> None:
    """Others start the moment that a slot is free; what it holds up goes to one of them.

    A silent agent answers nothing once it is known; a deaf one answers its heartbeats, and lets
    every `/build` wait.
    """
    await world.start_server(graceSeconds=GRACE_S)
    bad = world.agent(port=8999)
    await bad.register()
    await world.wait_state(AgentState.ONLINE)
    if deaf:
        world.network.delays[bad.address + "/build"] = math.inf
    else:
        world.network.cut.add(bad.address)
    await start_agents(world, [2, 2])
    began = world.now()
    await submit_all(world, 60)
    await wait_all_ended(world)

    views = await world.server.views((await world.server.builds(BuildFilter(limit=60))).builds)
    assert {view.build.status for view in views} == {Status.SUCCESS}
    assert bad.taken == []
    assert max(len(view.attempts) for view in views) == 2, "nothing is held up twice"
    first = min(view.build.number for view in views if len(view.attempts) == 2)
    others = [view for view in views[::-1] if view.build.number != first]
    expected = fair_starts(4, [view.build.number for view in others])
    for view, starts_s in zip(others, expected, strict=True):
        if starts_s < GRACE_S:  # from then on what was held up takes its turn
            assert view.build.started_at is not None
            assert abs((view.build.started_at - began).total_seconds() - starts_s) < _EPSILON_S
