"""The server's machine stands still for a while: that was no silence of the agents."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ci.model import Reason, Status
from tests.story.world import World

STANDSTILL_S = 600.0  # longer than any limit below


async def test_a_result_that_came_meanwhile_is_taken(
    world: World, autojump_clock: MockClock
) -> None:
    """The limit of a build passes while nobody can read what its agent says."""
    await world.start_server(buildTimeoutSeconds=60)
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    await trio.sleep(1)
    autojump_clock.jump(STANDSTILL_S)
    assert (await agent.finish("1.1.1")).status_code == 200
    view = await world.wait_build(number)
    assert (view.build.status, len(view.attempts)) == (Status.SUCCESS, 1)


async def test_an_attempt_of_which_nothing_is_heard_after_it_is_given_up(
    world: World, autojump_clock: MockClock
) -> None:
    """Its agent has as long as for any other result, and no longer."""
    await world.start_server(buildTimeoutSeconds=60)
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    await trio.sleep(1)
    autojump_clock.jump(STANDSTILL_S)
    await world.wait_count(agent.taken, 2, limit_s=600)
    assert (await world.server.build(number)).attempts[0].reason is Reason.AGENT_LOST


@pytest.mark.parametrize("answers_again", [True, False])
async def test_an_agent_that_takes_a_build_meanwhile_keeps_it(
    world: World, autojump_clock: MockClock, answers_again: bool
) -> None:
    """It is asked once more whether it has it; only who is silent even then is given up."""
    await world.start_server()
    agent = world.agent()
    take = agent.app.view_functions["_build"]
    asked: list[int] = []

    async def build() -> Any:
        asked.append(1)
        answer = await take()  # type: ignore[misc]  # it is a coroutine function
        await trio.sleep(0.5 if answers_again else 3600)
        return answer

    agent.app.view_functions["_build"] = build
    await agent.register()
    number = await world.submit()
    await world.wait_count(asked)
    autojump_clock.jump(STANDSTILL_S)  # while the answer is on its way
    await trio.sleep(20)
    view = await world.server.build(number)
    assert (view.attempts[0].status is Status.RUNNING) is answers_again
