"""Agents that know no token are taken from named addresses alone, and trusted with little."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from ci.model import Status
from tests.fakes.agent import FakeAgent
from tests.story.world import World

TOKEN = "the-token-of-all"
HERE = "127.0.0.1"  # from where all calls of this network come


def _stranger(world: World, port: int = 9001) -> FakeAgent:
    agent = world.agent(port, name="first")  # it says that it is native, and whatever else
    agent.address = f"{HERE}:{port}"
    agent.terse = True
    return agent


async def test_one_from_a_named_address_gets_builds(
    world: World, autojump_clock: MockClock
) -> None:
    """It is called there, whatever host and name it says, and never shown the token."""
    await world.start_server(agentToken=TOKEN, foreignAgents=[f"{HERE}/32"])
    agent = _stranger(world)
    welcome = await agent.register()
    assert (welcome["agentId"], "credential" in welcome) == (f"{HERE}:9001", False)
    number = await world.submit()
    await world.wait_count(agent.taken)
    assert "lease_mark" in agent.jobs[agent.taken[0]]
    assert "cmd" in agent.jobs[agent.taken[0]], "it is an agent of others"
    assert (await agent.finish(agent.taken[0])).status_code == 200
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert set(agent.seen) == {""}


@pytest.mark.parametrize("foreign", [[], ["10.0.0.0/8"], ["::1"]])
async def test_one_from_elsewhere_is_refused(
    world: World, autojump_clock: MockClock, foreign: list[str]
) -> None:
    """By default that is everybody."""
    await world.start_server(agentToken=TOKEN, foreignAgents=foreign)
    agent = _stranger(world)
    answer = await agent.post("/notify-agent", json=agent.said)
    assert answer.status_code == 401
    assert not await world.server.agents()


async def test_a_wrong_token_is_no_missing_one(world: World, autojump_clock: MockClock) -> None:
    """Whoever shows something is judged by that, wherever he is."""
    await world.start_server(agentToken=TOKEN, foreignAgents=[HERE])
    agent = _stranger(world)
    agent.secret = "guessed"
    assert (await agent.post("/notify-agent", json=agent.said)).status_code == 401


async def test_it_tells_nothing_of_what_others_hold(
    world: World, autojump_clock: MockClock
) -> None:
    """Neither log nor result of an attempt of an agent elsewhere, nor its name."""
    await world.start_server(agentToken=TOKEN, foreignAgents=[HERE])
    ours = world.agent(9002, name="first")
    ours.secret = TOKEN
    await ours.register()
    number = await world.submit()
    await world.wait_count(ours.taken)
    stranger = _stranger(world)
    assert (await stranger.register())["agent"] != "first"
    id = ours.taken[0]
    assert (await stranger.finish(id, exit_code=1)).status_code == 403
    assert (await stranger.log(id, 0, b"x")).status_code == 403
    assert (await ours.finish(id)).status_code == 200
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert set(ours.seen) == {TOKEN}
