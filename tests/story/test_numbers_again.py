"""Stories of a store that was restored or lost: it gives numbers again that agents know."""

from __future__ import annotations

import shutil

import pytest
import trio
from trio.testing import MockClock

from ci.model import Status
from tests.story.world import World


async def _lose_store(world: World) -> None:
    """The server dies, its folder is lost, and it starts with an empty one."""
    await world.kill_server()
    shutil.rmtree(world.folder / "server")
    await world.start_server()


async def test_the_result_of_an_older_build_of_that_number_is_not_taken(
    world: World, autojump_clock: MockClock
) -> None:
    """A build is green only if its own command was, not that of a build which the store lost."""
    await world.start_server()
    await world.start_agent()
    await world.submit("sleep 5; echo old")
    await world.wait_build(1, Status.RUNNING)
    await world.kill_server()
    await trio.sleep(10)  # its result waits for the server
    await world.kill_agent()
    shutil.rmtree(world.folder / "server")
    await world.start_server()
    await world.start_agent(port=8082)
    assert await world.submit("sleep 60; echo new; exit 3") == 1
    await world.wait_build(1, Status.RUNNING)
    await world.start_agent()
    view = await world.wait_build(1)
    assert (view.build.status, view.build.exit_code) == (Status.FAILURE, 3)
    assert await world.log(1) == b"new\n"
    assert len(view.attempts) == 1


@pytest.mark.parametrize("old_takes_s", [1, 3600], ids=["done", "running"])
async def test_an_agent_runs_a_build_whose_number_it_knows(
    world: World, autojump_clock: MockClock, old_takes_s: int
) -> None:
    """It does not take it for a repetition of the older one, done or running; that one is ended."""
    await world.start_server()
    await world.start_agent()
    await world.submit(f"sleep {old_takes_s}; echo old")
    await world.wait_build(1, Status.RUNNING)
    await trio.sleep(10)
    await _lose_store(world)
    assert await world.submit("echo new") == 1
    view = await world.wait_build(1, limit_s=120)
    assert view.build.status is Status.SUCCESS
    assert await world.log(1) == b"new\n"
    assert not [attempt for attempt in view.attempts if attempt.reason != "exited"]


async def test_a_log_of_an_older_build_of_that_number_is_not_taken(
    world: World, autojump_clock: MockClock
) -> None:
    """Nor is what it printed, whoever still sends it; a sender that knows no mark is believed."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    old = agent.jobs["1.1.1"]["lease_mark"]
    await trio.sleep(1)
    agent.jobs.clear()
    agent.taken.clear()
    await _lose_store(world)
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    new = agent.jobs["1.1.1"]["lease_mark"]
    params = {"id": "1.1.1", "offset": "0", "lease_mark": old}
    assert (await agent.post("/notify_build_log", params=params, content=b"old")).status_code == 410
    params["lease_mark"] = new
    assert (await agent.post("/notify_build_log", params=params, content=b"new")).status_code == 200
    assert (await agent.log("1.1.1", 3, b"er")).json() == {"size": 5}
    assert (await agent.finish("1.1.1", lease_mark=old)).status_code == 410
    said = {**agent.said, "attempts": [{"id": "1.1.1", "lease_mark": old}]}
    welcome = (await agent.post("/notify_agent", json=said)).json()
    assert welcome["attempts"] == {"1.1.1": "drop"}
    assert (await agent.finish("1.1.1", lease_mark=new, log_size=5)).status_code == 200
    assert await world.log(1) == b"newer"


@pytest.mark.parametrize("protocol", [1, 0], ids=["native", "foreign"])
async def test_a_cancel_says_which_attempt_of_that_number(
    world: World, autojump_clock: MockClock, protocol: int
) -> None:
    """One that is late must not end what a restored server has handed over since then."""
    await world.start_server()
    agent = world.agent(protocol=protocol)
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    mark = {"lease_mark": agent.jobs["1.1.1"]["lease_mark"]} if protocol else {}
    await world.server.cancel(number)
    await world.wait_count(agent.canceled)
    assert agent.cancels == [{"id": "1.1.1", "buildId": "1.1.1"} | mark]
