"""A lost agent is forgotten by a person, and welcome when it is back."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from ci.errors import Conflict, NotFound
from ci.model import AgentState, Status
from tests.fakes.agent import FakeAgent
from tests.story.world import World


async def names(world: World) -> list[str]:
    """The agents that are listed."""
    return [view.agent.name for view in await world.server.agents()]


async def lost_agent(world: World) -> FakeAgent:
    """An agent that has done build 1 and does not answer any more."""
    oak = world.agent(9001, name="oak")
    await oak.register()
    await world.submit()
    await world.wait_count(oak.taken)
    await oak.finish("1.1.1")
    await world.wait_build(1)
    oak.down()
    await world.wait_state(AgentState.LOST)
    return oak


async def test_a_lost_agent_is_forgotten_for_good(world: World, autojump_clock: MockClock) -> None:
    """It is not asked any more, also after a restart; its builds keep its name."""
    await world.start_server()
    oak = await lost_agent(world)
    shown = world.server._fleet.changes
    await world.server.forget_agent("oak")
    assert world.server._fleet.changes > shown, "pages have to notice"
    assert await names(world) == []
    asked = len(world.network.requests)
    await world.kill_server()
    await world.start_server()
    assert await names(world) == []
    assert len(world.network.requests) == asked
    assert (await world.server.build(1)).build.agent == "oak"
    with pytest.raises(NotFound):
        await world.server.forget_agent("oak")

    number = await world.submit()
    await oak.register()
    await world.wait_count(oak.taken, 2)
    await oak.finish(oak.taken[1])
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    await world.kill_server()
    await world.start_server()
    assert await names(world) == ["oak"]


async def test_who_answers_or_holds_a_build_is_not_forgotten(
    world: World, autojump_clock: MockClock
) -> None:
    """It would be back at once; and somebody has to ask for what it holds."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    await oak.register()
    await world.submit()
    await world.wait_count(oak.taken)
    with pytest.raises(Conflict, match="answers"):
        await world.server.forget_agent("oak")
    oak.down()
    await world.wait_state(AgentState.LOST)
    with pytest.raises(Conflict, match=r"still holds 1\.1\.1"):
        await world.server.forget_agent("oak")
    await world.wait_build(1, Status.WAITING)
    await world.server.forget_agent("oak")
    assert await names(world) == []
    assert "no agent has registered" in str((await world.server.build(1)).waiting_for)


async def test_what_a_forgotten_agent_holds_is_given_up_all_the_same(
    world: World, autojump_clock: MockClock
) -> None:
    """However an attempt came to it, a restart asks for it: no build is stuck."""
    await world.start_server()
    await lost_agent(world)
    await world.server.forget_agent("oak")
    number = await world.submit()
    assert await world.server._store.lease("oak") is not None
    await world.kill_server()
    await world.start_server()
    assert (await world.server.build(number)).build.status is Status.RUNNING
    await world.wait_build(number, Status.WAITING, limit_s=100)
