"""An agent that is slow to answer a build, and then says that it can't take it now."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from quart import jsonify, request
from trio.testing import MockClock

from ci.model import Reason
from tests.fakes.agent import FakeAgent
from tests.story.test_metrics import read
from tests.story.world import World

SLOW_S = 6.0  # longer than the server waits for an answer


def answer_slowly(agent: FakeAgent, *, takes: bool = False) -> list[str]:
    """Let the first answer for each id come too late, and refuse the next; return what is asked."""
    asked: list[str] = []

    async def build() -> Any:
        id = json.loads(await request.get_data())["id"]
        asked.append(id)
        if asked.count(id) == 1:
            if takes:
                agent.jobs[id] = {}
            await trio.sleep(SLOW_S)
        return jsonify({"error": {"field": None, "message": "no room"}}), 409

    agent.app.view_functions["_build"] = build
    return asked


async def test_a_build_that_was_never_taken_is_not_lost(
    world: World, autojump_clock: MockClock
) -> None:
    """The agent says that it has nothing, so the build waits again, as often as it takes."""
    await world.start_server()
    agent = world.agent()
    asked = answer_slowly(agent)
    await agent.register()
    number = await world.submit()
    await world.wait_count(asked, 12)
    view = await world.server.build(number)
    assert not view.build.status.ended
    assert not any(attempt.status.ended for attempt in view.attempts)
    assert len(set(asked)) > 3, "each try has an id of its own"


async def test_what_is_taken_after_that_is_ended(world: World, autojump_clock: MockClock) -> None:
    """The first request was still on its way: its id is worth nothing any more."""
    await world.start_server()
    agent = world.agent()
    asked = answer_slowly(agent)
    await agent.register()
    await world.submit()
    await world.wait_count(asked, 3)
    late = asked[0]
    assert asked[2] != late
    agent.jobs[late] = {}
    await world.wait_count(agent.canceled, limit_s=30)
    assert agent.canceled == [late]
    assert (await agent.finish(late)).status_code == 410


async def test_while_it_does_not_say_what_it_has_it_is_asked_again(
    world: World, autojump_clock: MockClock
) -> None:
    """Two questions that are not answered in time are no reason to give up."""
    await world.start_server(heartbeatSeconds=60)  # so that it is not lost meanwhile
    agent = world.agent()
    asked = answer_slowly(agent)
    await agent.register()
    number = await world.submit()
    await world.wait_count(asked)
    world.network.delays["/status"] = SLOW_S
    await world.wait_count(asked, 3)
    world.network.delays.clear()
    await world.wait_count(asked, 5)
    assert asked[0] == asked[2] != asked[4]
    view = await world.server.build(number)
    assert not any(attempt.status.ended for attempt in view.attempts)


@pytest.mark.parametrize("says", ["that it has it", "nothing"])
async def test_what_it_may_have_is_given_up(
    world: World, autojump_clock: MockClock, says: str
) -> None:
    """It is not given to another agent as if nothing had been."""
    await world.start_server()
    agent = world.agent()
    answer_slowly(agent, takes=True)

    async def say_nothing() -> Any:
        return jsonify({})

    if says == "nothing":
        agent.app.view_functions["_status"] = say_nothing
    await agent.register()
    view = await world.wait_build(await world.submit())
    assert [attempt.reason for attempt in view.attempts] == [Reason.AGENT_LOST] * 3


async def test_a_refusal_by_which_an_attempt_is_given_up_is_a_refusal(
    world: World, autojump_clock: MockClock
) -> None:
    """It is counted and shown as one; the give-up ends the attempt, not the word of its agent."""
    await world.start_server()
    agent = world.agent()
    answer_slowly(agent, takes=True)
    await agent.register()
    await world.wait_build(await world.submit())
    assert (await read(world))["ci_handover_failures_total{why=refused}"] == 3
    (view,) = await world.server.agents()
    assert "no room" in view.problem
