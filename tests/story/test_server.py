"""Stories of the server alone: its agents are played by hand."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ci.errors import Conflict, NotFound
from ci.model import AgentState, Reason, Status
from tests.story.world import World


async def test_a_build_goes_to_an_agent_and_ends_once(
    world: World, autojump_clock: MockClock
) -> None:
    """A build that was answered with its number ends, with its result and its whole log."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit("make test")
    await world.wait_build(number, Status.RUNNING)
    await world.wait_count(agent.taken)
    id = agent.taken[0]
    assert id == "1.1.1"
    assert agent.jobs[id]["command"] == "make test"

    assert (await agent.log(id, 0, b"one\n")).json() == {"size": 4}
    assert (await agent.log(id, 4, b"two\n")).json() == {"size": 8}
    assert (await agent.finish(id, exit_code=3, log_size=8)).status_code == 200
    view = await world.wait_build(number)

    assert view.build.status is Status.FAILURE
    assert (view.build.exit_code, view.build.reason) == (3, Reason.EXITED)
    assert view.build.duration_s == 1.5
    assert await world.server.read_log(id, 0, 100) == b"one\ntwo\n"
    assert (await agent.finish(id, exit_code=3, log_size=8)).status_code == 200, "a repeat"
    assert (await agent.finish(id, exit_code=0, log_size=8)).status_code == 410
    assert (await agent.log(id, 8, b"late")).status_code == 410
    assert (await world.server.build(number)).build.status is Status.FAILURE


async def test_more_builds_than_slots_wait_in_order(
    world: World, autojump_clock: MockClock
) -> None:
    """Builds wait in order, each told its place; every free slot gets the next at once."""
    await world.start_server()
    numbers = [await world.submit() for _ in range(5)]
    urgent = await world.submit(priority=10)
    assert (await world.server.build(urgent)).queue_position == 1
    assert (await world.server.build(numbers[4])).queue_position == 6
    assert "no agent has registered" in str((await world.server.build(1)).waiting_for)

    agent = world.agent(slots=2)
    await agent.register()
    await world.wait_count(agent.taken, 2)
    assert "both slots of agent agent-9001 are busy" in str(
        (await world.server.build(5)).waiting_for
    )
    before = trio.current_time()
    for done in range(6):
        await world.wait_count(agent.taken, done + 1)
        await agent.finish(agent.taken[done])
    await world.wait_build(numbers[-1])
    assert trio.current_time() - before < 2, "nobody polls for work"
    assert set(agent.taken[:2]) == {f"{urgent}.1.1", f"{numbers[0]}.1.1"}
    assert agent.taken[2:] == [f"{n}.1.1" for n in numbers[1:]]


async def test_an_agent_that_dies_in_mid_build_and_is_back_in_time_goes_on(
    world: World, autojump_clock: MockClock
) -> None:
    """Within the grace time the same attempt goes on."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    agent.down()
    await world.wait_state(AgentState.LOST)
    await trio.sleep(10)
    agent.said["boot_id"] = "boot-2"
    assert (await agent.register())["attempts"] == {"1.1.1": "keep"}
    await world.wait_state(AgentState.ONLINE)
    await agent.finish("1.1.1")
    view = await world.wait_build(number)
    assert [a.id for a in view.attempts] == ["1.1.1"]
    assert view.build.status is Status.SUCCESS


async def test_an_agent_that_dies_and_stays_away_is_replaced(
    world: World, autojump_clock: MockClock
) -> None:
    """After the grace time another agent does the same number; a late result is refused."""
    await world.start_server()
    first, second = world.agent(9001), world.agent(9002)
    await first.register()
    number = await world.submit()
    await world.wait_count(first.taken)
    await second.register()
    first.down()
    gone_at = trio.current_time()
    await world.wait_count(second.taken)
    assert 25 < trio.current_time() - gone_at < 45
    assert second.taken == ["1.1.2"]

    first.up()
    assert (await first.finish("1.1.1", exit_code=9)).status_code == 410
    # What it was told to end it calls canceled; that is no repeat of what the server decided.
    canceled: dict[str, Any] = {"status": "error", "reason": "canceled", "log_size": 0}
    assert (await first.finish("1.1.1", exit_code=None, log="", **canceled)).status_code == 410
    assert (await world.server.build(number)).build.status is Status.RUNNING
    await second.finish("1.1.2")
    view = await world.wait_build(number)
    assert view.build.status is Status.SUCCESS
    assert [(a.id, a.status, a.reason) for a in view.attempts] == [
        ("1.1.1", Status.ERROR, Reason.AGENT_LOST),
        ("1.1.2", Status.SUCCESS, Reason.EXITED),
    ]


async def test_three_lost_agents_are_enough(world: World, autojump_clock: MockClock) -> None:
    """After three lost attempts the build is an error, said in words."""
    await world.start_server()
    number = await world.submit()
    for port in (9001, 9002, 9003):
        agent = world.agent(port)
        await agent.register()
        await world.wait_count(agent.taken)
        agent.down()
    view = await world.wait_build(number)
    assert view.build.status is Status.ERROR
    assert view.build.reason is Reason.AGENT_LOST
    assert "Three attempts were lost (agents agent-9001, agent-9002, agent-9003)" in (
        view.build.message
    )


async def test_an_agent_that_dies_between_builds_gets_no_work(
    world: World, autojump_clock: MockClock
) -> None:
    """It is shown as lost within seconds, gets nothing, and its next start is welcomed."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    agent.down()
    died_at = trio.current_time()
    await world.wait_state(AgentState.LOST)
    assert trio.current_time() - died_at < 10
    number = await world.submit()
    await trio.sleep(120)
    assert (await world.server.build(number)).build.status is Status.WAITING
    await agent.register()
    called_at = trio.current_time()
    await world.wait_count(agent.taken)
    assert trio.current_time() - called_at < 1
    assert agent.taken == ["1.1.1"]


async def test_a_server_that_dies_in_mid_build_takes_the_result_later(
    world: World, autojump_clock: MockClock
) -> None:
    """The build is shown running again, its agent is asked at once, its result is taken."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    running, waiting = await world.submit(), await world.submit()
    await world.wait_count(agent.taken)
    await agent.log("1.1.1", 0, b"before\n")
    await world.kill_server()
    await trio.sleep(600)
    await world.start_server()
    assert (await world.server.build(running)).build.status is Status.RUNNING
    assert (await world.server.build(waiting)).build.status is Status.WAITING
    await world.wait_state(AgentState.ONLINE)
    await agent.log("1.1.1", 7, b"after\n")
    assert (await agent.finish("1.1.1", log_size=13)).status_code == 200
    assert (await world.wait_build(running)).build.status is Status.SUCCESS
    assert await world.server.read_log("1.1.1", 0, 99) == b"before\nafter\n"
    await world.wait_count(agent.taken, 2)
    assert agent.taken == ["1.1.1", "2.1.1"]
    assert await world.submit() == 3, "numbers go on"


async def test_a_result_before_the_reply_to_build_counts(
    world: World, autojump_clock: MockClock
) -> None:
    """Its result may overtake the answer to /build, even when that answer is lost."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    world.network.lose_answers["/build"] = 3
    number = await world.submit()
    await world.wait_count(agent.taken)
    await agent.finish("1.1.1")
    view = await world.wait_build(number)
    assert view.build.status is Status.SUCCESS
    await trio.sleep(60)
    assert agent.taken == ["1.1.1"], "built once"


async def test_an_agent_that_forgot_an_attempt_loses_it(
    world: World, autojump_clock: MockClock
) -> None:
    """A fresh agent at the old place does not hold up the build for ever."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    agent.jobs.clear()
    await world.wait_count(agent.taken, 2)
    view = await world.server.build(number)
    assert view.attempts[0].reason is Reason.AGENT_RESTARTED
    assert agent.taken == ["1.1.1", "1.1.2"]


async def test_cancel_in_every_state(world: World, autojump_clock: MockClock) -> None:
    """Canceled at once, whatever it did; its agent is told; what has ended stays as it is."""
    await world.start_server()
    waiting = await world.submit()
    assert (await world.server.cancel(waiting)).status is Status.CANCELED
    agent = world.agent()
    await agent.register()
    running = await world.submit()
    await world.wait_count(agent.taken)
    assert (await world.server.cancel(running)).status is Status.CANCELED
    await world.wait_count(agent.canceled)
    assert agent.canceled == [f"{running}.1.1"]
    assert (await agent.finish(f"{running}.1.1")).status_code == 200
    with pytest.raises(Conflict):
        await world.server.cancel(running)
    with pytest.raises(NotFound):
        await world.server.cancel(99)
    after = await world.submit()
    await world.wait_count(agent.taken, 2)
    await agent.finish(f"{after}.1.1")
    assert (await world.wait_build(after)).build.status is Status.SUCCESS


async def test_a_cancel_that_the_agent_does_not_hear_is_repeated(
    world: World, autojump_clock: MockClock
) -> None:
    """An agent that was cut off ends the canceled command as soon as it is heard again."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    world.network.cut.add(agent.address)
    await world.server.cancel(number)
    await trio.sleep(60)
    assert agent.canceled == []
    world.network.cut.clear()
    await world.wait_count(agent.canceled)


async def test_a_draining_or_paused_agent_takes_no_more(
    world: World, autojump_clock: MockClock
) -> None:
    """What runs goes on; what waits goes to nobody until it takes work again."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    await world.server.set_paused(agent.said["name"], paused=True)
    number = await world.submit()
    await trio.sleep(60)
    assert agent.taken == []
    assert "agent-9001 is paused" in str((await world.server.build(number)).waiting_for)
    await world.server.set_paused(agent.said["name"], paused=False)
    await world.wait_count(agent.taken)
    agent.draining = True
    await trio.sleep(10)
    await agent.finish("1.1.1")
    await world.submit()
    await trio.sleep(60)
    assert agent.taken == ["1.1.1"]


async def test_an_agent_with_a_problem_of_its_own_takes_no_more(
    world: World, autojump_clock: MockClock
) -> None:
    """Page and queue say what it says; when it is over, the build that waited is handed out."""
    await world.start_server()
    agent = world.agent(problem="0.1 MB free")
    agent.problem = "0.1 MB free"
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    number = await world.submit()
    await trio.sleep(60)
    assert agent.taken == []
    [view] = await world.server.agents()
    assert (view.problem, view.takes_work) == ("0.1 MB free", False)
    why = (await world.server.build(number)).waiting_for
    assert why == (
        f"Next in line; no agent takes work: {agent.said['name']} refuses builds (0.1 MB free)."
    )
    before = world.server.version()
    agent.problem = ""
    await world.wait_count(agent.taken)
    assert world.server.version() != before
    [view] = await world.server.agents()
    assert view.takes_work
