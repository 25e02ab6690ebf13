"""Agents that others wrote: they say little, answer late or not at all, and get their builds."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from ci.model import AgentState, Reason, Status
from tests.fakes.agent import FakeAgent
from tests.story.world import World

BUILD_S = 600.0  # far longer than any other limit


def _foreign(world: World, port: int = 9001) -> FakeAgent:
    agent = world.agent(port, protocol=0, home_id="", boot_id="")
    agent.terse = True
    return agent


async def _deliver(agent: FakeAgent, id: str, **more: object) -> int:
    body = {"buildId": id, "success": True, **more}
    return (await agent.post("/notify-build-result", json=body)).status_code


async def test_a_port_that_is_open_is_a_sign_of_life(
    world: World, autojump_clock: MockClock
) -> None:
    """One that answers nothing while it builds is not lost, however long that takes."""
    await world.start_server()
    agent = _foreign(world)
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    world.network.mute[agent.address] = trio.Event()
    before = len(world.network.requests)
    await trio.sleep(BUILD_S)
    (member,) = await world.server.agents()
    assert member.state is AgentState.ONLINE
    asked = [path for _, path, _ in world.network.requests[before:]]
    assert asked == ["/status"], "one question stands open; more would fill its port's queue"
    world.network.mute.pop(agent.address).set()
    assert await _deliver(agent, agent.taken[0]) == 200
    view = await world.wait_build(number)
    assert (view.build.status, len(view.attempts)) == (Status.SUCCESS, 1)


async def test_an_agent_that_answers_when_the_build_is_over(
    world: World, autojump_clock: MockClock
) -> None:
    """Its result comes before its answer; it is built once, and the next one need not wait."""
    await world.start_server()
    agent = _foreign(world)
    await agent.register()
    first, second = [await world.submit() for _ in range(2)]
    world.network.delays[f"{agent.address}/build"] = BUILD_S
    await trio.sleep(BUILD_S / 2)
    assert await _deliver(agent, f"{first}.1.1", log="all of it") == 200
    world.network.delays.clear()
    assert (await world.wait_build(first)).build.status is Status.SUCCESS
    await world.wait_count(agent.taken, limit_s=1)
    assert agent.taken == [f"{second}.1.1"]
    assert await _deliver(agent, agent.taken[0]) == 200
    assert len((await world.wait_build(second)).attempts) == 1


async def test_who_says_no_duration_is_measured(world: World, autojump_clock: MockClock) -> None:
    """By the server, from hand-over to result: others say it in a unit that nobody knows."""
    await world.start_server()
    agent = _foreign(world)
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    await trio.sleep(90)
    assert await _deliver(agent, agent.taken[0], duration=7) == 200
    view = await world.wait_build(number)
    for took_s in (view.build.duration_s, view.attempts[0].duration_s):
        assert took_s == pytest.approx(90, abs=1)


@pytest.mark.parametrize("after_s", [6.0, BUILD_S])
async def test_what_is_answered_late_says_nothing(
    world: World, autojump_clock: MockClock, after_s: float
) -> None:
    """An agent that answers 409 when its red build is over has had it all the same."""
    await world.start_server()
    agent = _foreign(world)
    await agent.register()
    agent.refuses = True
    world.network.delays[f"{agent.address}/build"] = after_s
    number = await world.submit()
    await trio.sleep(after_s + 5)
    view = await world.server.build(number)
    assert (view.build.status, len(view.attempts)) == (Status.RUNNING, 1)
    assert await _deliver(agent, f"{number}.1.1", success=False) == 200
    assert (await world.wait_build(number)).build.status is Status.FAILURE


async def test_one_that_was_restarted_has_lost_its_build(
    world: World, autojump_clock: MockClock
) -> None:
    """Nobody listened at its port in between; it gets the build again, and a late result is 410."""
    await world.start_server()
    agent = _foreign(world)
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    agent.down()
    await trio.sleep(7)  # shorter than the time after which it would be lost
    agent.jobs.clear()
    agent.up()
    await world.wait_count(agent.taken, 2, limit_s=60)
    assert await _deliver(agent, agent.taken[0]) == 410
    assert await _deliver(agent, agent.taken[1]) == 200
    view = await world.wait_build(number)
    assert view.build.status is Status.SUCCESS
    assert [each.reason for each in view.attempts] == [Reason.AGENT_RESTARTED, Reason.EXITED]


async def test_one_that_says_nothing_for_too_long_is_given_up(
    world: World, autojump_clock: MockClock
) -> None:
    """Whatever became of its builds, it does not keep them for ever; another gets them."""
    await world.start_server(buildTimeoutSeconds=300)
    first, second = _foreign(world), _foreign(world, 9002)
    await first.register()
    number = await world.submit()
    await world.wait_count(first.taken)
    await second.register()
    await world.wait_count(second.taken, limit_s=300 + 180)
    assert await _deliver(second, second.taken[0]) == 200
    view = await world.wait_build(number)
    assert [each.reason for each in view.attempts] == [Reason.AGENT_LOST, Reason.EXITED]


async def test_registering_again_is_no_end_of_a_build(
    world: World, autojump_clock: MockClock
) -> None:
    """A heartbeat for some, "I am free" for others: nothing is lost, doubled or put beside it."""
    await world.start_server()
    agent = _foreign(world)
    await agent.register()
    numbers = [await world.submit() for _ in range(3)]
    for nth, number in enumerate(numbers, 1):
        await world.wait_count(agent.taken, nth)
        for _ in range(5):
            await agent.register()
            await trio.sleep(7)
        assert agent.taken == [f"{each}.1.1" for each in numbers[:nth]], "one at a time, in order"
        agent.jobs.clear()
        assert await _deliver(agent, f"{number}.1.1") == 200
        view = await world.wait_build(number)
        assert (view.build.status, len(view.attempts)) == (Status.SUCCESS, 1)


async def test_behind_a_proxy_it_is_called_where_it_calls_from(
    world: World, autojump_clock: MockClock
) -> None:
    """Where it does not say its host: the address that the trusted proxy names."""
    await world.start_server(trustedProxies="127.0.0.1", insecure=True)
    agent = _foreign(world)
    forwarded = {"X-Forwarded-For": "203.0.113.1, 10.1.2.3"}
    answer = await agent.post("/notify-agent", json={"port": "9001"}, headers=forwarded)
    assert answer.json()["agentId"] == "10.1.2.3:9001"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"buildId": "77.1.1", "success": True}, 410),
        ({"buildId": "77", "success": True}, 410),
        ({"success": True}, 422),
        ({"buildId": "1.1.1"}, 422),
        ({}, 422),
    ],
)
async def test_a_result_of_nothing_is_refused_and_changes_nothing(
    world: World, autojump_clock: MockClock, body: dict[str, object], status: int
) -> None:
    """Unknown, without an id, without a verdict, empty."""
    await world.start_server()
    agent = _foreign(world)
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    assert (await agent.post("/notify-build-result", json=body)).status_code == status
    assert (await world.server.build(number)).build.status is Status.RUNNING
    assert await _deliver(agent, agent.taken[0]) == 200
    assert await _deliver(agent, agent.taken[0]) == 200, "the same once more is no error"
    assert await _deliver(agent, agent.taken[0], success=False) == 410, "but nothing else is taken"
    assert (await world.server.build(number)).build.status is Status.SUCCESS
