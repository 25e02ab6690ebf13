"""Stories of builds that ask for labels: each finds an agent that has them, none is in the way."""

from __future__ import annotations

import random
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from ci.errors import Rejected
from ci.model import AgentState, Labels, Status
from ci.server.unhurried import STEP_S
from tests.fakes.agent import FakeAgent
from tests.story.world import World

USUAL_S: Final = 240.0
LABELS: Final[list[Labels]] = [(), (), ("linux",), ("gpu",), ("gpu", "linux"), ("arm",)]


async def _said(world: World, number: int) -> str:
    await trio.sleep(STEP_S)
    return str((await world.server.build(number)).waiting_for)


async def _all_online(world: World, count: int) -> bool:
    states = [view.state for view in await world.server.agents()]
    return states == [AgentState.ONLINE] * count


async def test_a_build_that_nobody_can_take_holds_up_none(
    world: World, autojump_clock: MockClock
) -> None:
    """Not even when it was moved to the front. What it waits for is said, and is for a person."""
    await world.start_server()
    agent = world.agent(labels=["linux"])
    await agent.register()
    stuck = await world.submit(labels=["gpu"])
    await world.server.move_to_front(stuck)
    numbers = [await world.submit(labels=labels) for labels in (["linux"], [])]
    await world.wait_count(agent.taken)
    view = await world.server.build(stuck)
    assert (view.is_stuck, view.queue_position) == (True, 1)
    assert view.waiting_for == (
        "No agent has label gpu: add what is missing to the setting labels of one, "
        "or run the build again without it."
    )
    assert view.waits_briefly == "No agent has label gpu"
    assert (view.waits_because, view.place) == ("no agent has label gpu", None)
    assert (await world.server.build(numbers[1])).place == 1
    assert (await _said(world, numbers[1])).startswith("Next in line; agent agent-9001 is busy")
    assert b"nursery_ci_builds_unfit 1.0" in await world.server.metrics()
    assert agent.taken == [f"{numbers[0]}.1.1"]
    await agent.finish(agent.taken[0])
    await world.wait_build(numbers[1], Status.RUNNING)

    able = world.agent(9002, labels=["gpu"])
    await able.register()
    await world.wait_count(able.taken)
    assert able.taken == [f"{stuck}.1.1"]
    assert b"nursery_ci_builds_unfit 0.0" in await world.server.metrics()


async def test_an_agent_that_gets_a_label_takes_what_waited_for_it(
    world: World, autojump_clock: MockClock
) -> None:
    """At once, and what it runs goes on; one that loses its label is given no more."""
    await world.start_server()
    agent = world.agent(slots=2)
    await agent.register()
    first, second = await world.submit(), await world.submit(labels=["gpu"])
    await world.wait_count(agent.taken)
    agent.said["labels"] = ["gpu"]
    await agent.register()
    await world.wait_count(agent.taken, 2, limit_s=1)
    await agent.finish(f"{first}.1.1")
    await world.wait_build(first)
    agent.said["labels"] = []
    await agent.register()
    third = await world.submit(labels=["gpu"])
    await trio.sleep(60)
    assert (await world.server.build(third)).build.status is Status.WAITING
    assert (await world.server.build(second)).build.status is Status.RUNNING


async def test_who_waits_is_told_of_agents_that_can_take_it(
    world: World, autojump_clock: MockClock
) -> None:
    """And when it starts by what these run and who is before it for them, not by its place."""
    await world.start_server()
    plain, gpu = world.agent(9001), world.agent(9002, labels=["gpu", "linux"])
    await gpu.register()
    number = await world.submit(labels=["gpu"])
    await world.wait_count(gpu.taken)
    await gpu.finish(f"{number}.1.1", duration_s=USUAL_S)
    await world.wait_build(number)
    await plain.register()
    await world.wait_for(lambda: _all_online(world, 2))
    busy = [await world.submit(), await world.submit(labels=["gpu"])]
    for each in busy:
        await world.wait_build(each, Status.RUNNING)
    for _ in range(2):
        await world.submit()
    last = await world.submit(labels=["linux", "gpu"])
    said = await _said(world, last)
    assert said == (
        f"3rd in line; agent agent-9002 with gpu and linux is busy with #{busy[1]}; "
        "starts in about 8 min."
    )
    gpu.down()
    await world.wait_state(AgentState.LOST)
    assert "no agent with gpu and linux takes work: agent-9002 is silent" in await _said(
        world, last
    )


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_among_labels_lost_agents_cancels_and_restarts(
    world: World, autojump_clock: MockClock, seed: int
) -> None:
    """Each build ends once, on an agent that has its labels; what nobody can take still waits."""
    dice = random.Random(seed)
    await world.start_server()
    agents = [
        world.agent(9001 + n, slots=2, labels=labels)
        for n, labels in enumerate([[], ["linux"], ["gpu", "linux"], ["gpu"]])
    ]
    for agent in agents:
        await agent.register()
    asked: dict[int, Labels] = {}
    for _ in range(60):
        labels = dice.choice(LABELS)
        asked[await world.submit(labels=labels, priority=dice.choice([0, 0, 5]))] = labels
        match dice.randrange(6):
            case 0:
                await _cancel(world, dice.choice(list(asked)))
            case 1:
                await world.kill_server()
                await world.start_server()
            case 2:
                dice.choice(agents).down()
            case 3:
                await _finish_one(dice.choice(agents))
        await trio.sleep(dice.choice([0.1, 2, 40]))
    for agent in agents:
        await agent.register()
    able = [number for number, labels in asked.items() if "arm" not in labels]

    async def ended() -> bool:
        for agent in agents:
            await _finish_one(agent)
        return all([(await world.server.build(n)).build.status.ended for n in able])

    await world.wait_for(ended, limit_s=3 * 3600)
    has = {agent.said["name"]: set(agent.said["labels"]) for agent in agents}
    for number, labels in asked.items():
        view = await world.server.build(number)
        assert view.build.labels == labels
        assert all(has[attempt.agent].issuperset(labels) for attempt in view.attempts)
        if "arm" in labels:
            assert view.build.status in (Status.WAITING, Status.CANCELED)
            assert not view.attempts
    for agent in agents:
        assert len(agent.taken) == len(set(agent.taken)), "an attempt was begun twice"


async def _cancel(world: World, number: int) -> None:
    view = await world.server.build(number)
    if not view.build.status.ended:
        await world.server.cancel(number)


async def _finish_one(agent: FakeAgent) -> None:
    for id in [*agent.jobs, *agent.delivering][:1]:
        await agent.finish(id)


async def test_a_label_is_one_word(world: World, autojump_clock: MockClock) -> None:
    """As a form would make two of it, and so ask for what no agent has."""
    await world.start_server()
    for label in ("big mem", "gpu,linux", " gpu", ""):
        with pytest.raises(Rejected, match="is no word"):
            await world.submit(labels=[label])
