"""Stories of how long the checkout took: its agent measures it, the server keeps it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from ci.model import Status
from tests.story.world import World


async def test_the_time_of_the_checkout_is_told_with_the_result(
    world: World, autojump_clock: MockClock
) -> None:
    """It is a part of the attempt's; the agent's death in between does not make it forgotten."""
    world.checkout_s = 12.0
    await world.start_server()
    await world.start_agent()
    number = await world.submit("sleep 60")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(30)
    await world.kill_agent()
    await world.start_agent()
    (attempt,) = (await world.wait_build(number)).attempts
    assert attempt.checkout_s == pytest.approx(12, abs=0.5)
    assert attempt.duration_s == pytest.approx(72, abs=0.5)
    await world.kill_server()
    await world.start_server()
    assert (await world.server.build(number)).attempts == (attempt,)


async def test_an_agent_that_does_not_tell_it_is_as_welcome(
    world: World, autojump_clock: MockClock
) -> None:
    """As those of before do not, and those of others."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    assert (await agent.finish(agent.taken[0])).status_code == 200
    (attempt,) = (await world.wait_build(number)).attempts
    assert attempt.checkout_s is None


async def test_a_build_that_ended_in_its_checkout_has_no_time_for_it(
    world: World, autojump_clock: MockClock
) -> None:
    """All of it was that."""
    world.checkout_s = 100.0
    await world.start_server(buildTimeoutSeconds=10)
    await world.start_agent()
    (attempt,) = (await world.wait_build(await world.submit())).attempts
    assert (attempt.checkout_s, attempt.reason) == (None, "timeout")
