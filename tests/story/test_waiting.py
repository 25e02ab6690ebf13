"""Stories of those that wait: each is told what for, and when it will start."""

from __future__ import annotations

from dataclasses import dataclass

import trio
from trio.testing import MockClock

from ci.model import AgentState, Status
from ci.server.forecast import MINUTE
from ci.server.unhurried import STEP_S
from tests.fakes.agent import FakeAgent
from tests.story.world import World

USUAL_S = 4 * MINUTE


@dataclass
class Said:
    """What is said of a build that waits."""

    words: str
    starts_in_s: int | None
    place: int | None


async def _said(world: World, number: int) -> Said:
    view = await world.server.build(number)
    return Said(str(view.waiting_for), view.starts_in_s, view.queue_position)


async def _listed(world: World, number: int) -> tuple[str | None, str | None]:
    view = await world.server.build(number)
    return view.waits_briefly, view.waits_because


async def _done(world: World, agent: FakeAgent, number: int, took_s: float = USUAL_S) -> None:
    """Let the agent bring a green result of a build that it has."""
    await world.wait_build(number, Status.RUNNING)
    id = f"{number}.1.1"
    await world.wait_for(lambda: _has(agent, id))
    await agent.finish(id, duration_s=took_s)
    await world.wait_build(number)


async def _has(agent: FakeAgent, id: str) -> bool:
    return id in agent.jobs


async def test_who_waits_is_told_place_reason_and_time(
    world: World, autojump_clock: MockClock
) -> None:
    """By how long such builds took before; the time gets less as it passes."""
    await world.start_server()
    agent = world.agent(slots=2)
    await agent.register()
    await _done(world, agent, await world.submit())

    numbers = [await world.submit() for _ in range(5)]
    await world.wait_count(agent.taken, 3)
    await trio.sleep(STEP_S)
    busy = "both slots of agent agent-9001 are busy (#2, #3)"
    assert await _said(world, numbers[2]) == Said(
        f"Next in line; {busy}; starts in about 4 min.", USUAL_S, 1
    )
    assert (await _said(world, numbers[4])).words == (
        f"3rd in line; {busy}; starts in about 8 min."
    )
    assert await _listed(world, numbers[4]) == ("3rd in line; starts in about 8 min", busy)
    await trio.sleep(3 * MINUTE)
    assert (await _said(world, numbers[2])).starts_in_s == MINUTE
    await trio.sleep(2 * MINUTE)
    assert "starts in less than a minute" in (await _said(world, numbers[2])).words

    await _done(world, agent, numbers[0])
    assert (await _said(world, numbers[4])).words.startswith("2nd in line")


async def test_who_comes_all_at_once_is_not_told_that_all_begin_now(
    world: World, autojump_clock: MockClock
) -> None:
    """What was seen of free slots is old by then: those in front have taken them."""
    await world.start_server()
    await world.agent(slots=2).register()
    await world.wait_state(AgentState.ONLINE)
    await trio.sleep(STEP_S)
    for _ in range(2):
        number = await world.submit()
        await _said(world, number)  # which looks ahead while slots are free
        await world.wait_build(number, Status.RUNNING)
    saids = [await _said(world, await world.submit()) for _ in range(6)]
    assert [said.place for said in saids] == [1, 2, 3, 4, 5, 6]
    for said in saids:
        assert "both slots of agent agent-9001 are busy" in said.words
        assert said.starts_in_s is None


async def test_what_takes_far_longer_than_usual_ends_nobody_knows_when(
    world: World, autojump_clock: MockClock
) -> None:
    """It may hang: who waits for it is told so, and not that he begins in a minute."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await _done(world, agent, await world.submit())
    numbers = [await world.submit() for _ in range(2)]
    await world.wait_count(agent.taken, 2)
    await trio.sleep(4 * USUAL_S)
    assert await _said(world, numbers[1]) == Said(
        "Next in line; agent agent-9001 is busy with #2; "
        "nobody knows when it starts, since #2 takes far longer than such builds do.",
        None,
        1,
    )
    assert await _listed(world, numbers[1]) == ("Next in line", "agent agent-9001 is busy with #2")


async def test_without_history_no_time_is_made_up(world: World, autojump_clock: MockClock) -> None:
    """That it is not known is said."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    for _ in range(2):
        await world.submit()
    await world.wait_count(agent.taken)
    said = await _said(world, 2)
    assert said.starts_in_s is None
    assert said.words == (
        "Next in line; agent agent-9001 is busy with #1; "
        "no build was green yet, so nobody knows when it starts."
    )
    assert await _listed(world, 2) == ("Next in line", "agent agent-9001 is busy with #1")


async def test_a_paused_agents_slots_are_not_counted(
    world: World, autojump_clock: MockClock
) -> None:
    """Why it is paused stands in the sentence; when work goes on again, so does the estimate."""
    await world.start_server()
    agents = [world.agent(port) for port in (9001, 9002)]
    await agents[0].register()
    await _done(world, agents[0], await world.submit())
    await agents[1].register()
    await world.wait_for(lambda: _all_online(world, 2))
    for _ in range(3):
        await world.submit()
    await world.wait_for(lambda: _both_busy(agents))
    assert (await _said(world, 4)).starts_in_s == USUAL_S
    assert not (await world.server.build(4)).is_stuck
    for name in ("agent-9001", "agent-9002"):
        await world.server.set_paused(name, paused=True, note=f"{name} is moved")
    said = await _said(world, 4)
    assert said.starts_in_s is None
    assert said.words == (
        "Next in line; no agent takes work: agent-9001 is paused (agent-9001 is moved), "
        "agent-9002 is paused (agent-9002 is moved)."
    )
    assert (await world.server.build(4)).is_stuck, "it waits for whoever has paused them"
    brief, because = await _listed(world, 4)
    assert brief == "Next in line; no agent takes work"
    assert f"Next in line; {because}." == said.words
    await world.kill_server()
    await world.start_server()
    assert [view.agent.pause_note for view in await world.server.agents()] == [
        "agent-9001 is moved",
        "agent-9002 is moved",
    ]
    await world.wait_for(lambda: _all_are(world, AgentState.PAUSED))
    await world.server.set_paused("agent-9001", paused=False)
    said = await _said(world, 4)
    assert (said.place, said.starts_in_s) == (1, USUAL_S)
    assert "agent agent-9001 is busy with #" in said.words
    assert "" in [view.agent.pause_note for view in await world.server.agents()]


async def _all_online(world: World, count: int) -> bool:
    return [view.state for view in await world.server.agents()] == [AgentState.ONLINE] * count


async def _all_are(world: World, state: AgentState) -> bool:
    return all(view.state is state for view in await world.server.agents())


async def _both_busy(agents: list[FakeAgent]) -> bool:
    return all(agent.jobs for agent in agents)


async def test_what_is_moved_to_the_front_is_taken_next(
    world: World, autojump_clock: MockClock
) -> None:
    """Whatever waits before it; a restart of the server does not forget it."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    numbers = [await world.submit(priority=priority) for priority in (0, 5, 0)]
    last = numbers[-1]
    assert (await world.server.move_to_front(last)).status is Status.WAITING
    assert (await _said(world, last)).words.startswith("Next in line")
    assert (await _said(world, numbers[1])).place == 2
    await world.kill_server()
    await world.start_server()
    assert (await _said(world, last)).place == 1
    await world.wait_state(AgentState.ONLINE)
    await agent.finish(agent.taken[0])
    await world.wait_count(agent.taken, 2)
    assert agent.taken[1] == f"{last}.1.1"


async def test_a_short_disk_is_a_reason_to_wait(world: World, autojump_clock: MockClock) -> None:
    """Nobody can say when it starts while results find no room."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await _done(world, agent, await world.submit())
    for _ in range(2):
        await world.submit()
    await world.wait_count(agent.taken, 2)
    world.free_bytes = 0
    said = await _said(world, 3)
    assert said.words == (
        "Next in line; agent agent-9001 is busy with #2; "
        "the server's disk is short, so what runs can't deliver."
    )
    assert said.starts_in_s is None
