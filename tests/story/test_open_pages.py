"""Open pages while much happens to others: told of what they show, and of little else."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from ci.model import AgentState, Status
from ci.server.showing import PLACES_BY_ONE
from ci.server.unhurried import STEP_S
from tests.story.world import World

LINE = 3 * PLACES_BY_ONE


async def test_a_build_far_back_is_told_of_its_own_changes(
    world: World, autojump_clock: MockClock
) -> None:
    """Not of each one that begins; whoever is near the front is told of each step ahead."""
    await world.start_server()
    agent = world.agent(slots=1)
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    numbers = [await world.submit() for _ in range(LINE)]
    await world.wait_count(agent.taken)
    server, near, far = world.server, numbers[5], numbers[-1]
    await trio.sleep(1)

    before = {number: server.version(number) for number in (near, far)}
    await server.cancel(numbers[1])
    await trio.sleep(STEP_S)
    assert server.version(near) != before[near]
    assert (await server.build(near)).queue_position == 4
    assert "is busy with #1" in str((await server.build(far)).waiting_for)

    begun = server.version(far)
    for number in numbers[2:5]:
        await server.cancel(number)
    steps = {begun, server.version(far)}
    for number in numbers[6 : LINE - PLACES_BY_ONE]:
        await server.cancel(number)
        steps.add(server.version(far))
    place = (await server.build(far)).queue_position
    assert place is not None
    assert place <= PLACES_BY_ONE + 1
    assert len(steps) > 2, "it is told how far it has come"

    before[far] = server.version(far)
    await server.cancel(far)
    assert (await server.build(far)).build.status is Status.CANCELED
    assert server.version(far) != before[far]


async def test_what_runs_is_not_made_anew_for_others(
    world: World, autojump_clock: MockClock
) -> None:
    """Only for what its agent says, and when the agent is lost."""
    await world.start_server()
    agent = world.agent(slots=1)
    await agent.register()
    number = await world.submit()
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(1)
    before, all_before = world.server.version(number), world.server.version()
    for _ in range(3):
        await world.submit()
    await trio.sleep(STEP_S)
    assert world.server.version() != all_before
    assert world.server.version(number) == before
    agent.down()
    await world.wait_state(AgentState.LOST)
    assert world.server.version(number) != before


async def test_who_asks_anew_is_told_at_once(world: World, autojump_clock: MockClock) -> None:
    """Also while so much happens that open pages are told of it only now and then."""
    await world.start_server()
    server = world.server
    words, lagging = [], []
    for _ in range(5):
        await world.submit()
        words.append(server.version(at_once=True))
        lagging.append(server.version())
    assert len(set(words)) == 5
    assert len(set(lagging)) < 5
