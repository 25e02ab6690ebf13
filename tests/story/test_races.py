"""Stories of things that happen at the same moment, and of callers who leave."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.lowlevel
from quart import Response, jsonify
from trio.testing import MockClock

from ci.model import AgentState, Reason, Status
from ci.server.views import BuildFilter
from ci.wire.registration import read_registration
from tests.story.world import World

CHATTY = "; ".join(["echo tick; sleep 1"] * 100)


async def leave(call: Callable[..., Awaitable[Any]], *arguments: object) -> None:
    """Ask for something and leave before the answer, as a client that closes its connection."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, *arguments)
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_a_build_whose_asker_left_is_built(world: World, autojump_clock: MockClock) -> None:
    """What is on disk is handed to a free slot at once."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    await trio.sleep(1)
    await leave(world.submit)
    await trio.sleep(3)
    assert agent.taken == ["1.1.1"]


async def test_a_cancel_whose_asker_left_frees_the_slot(
    world: World, autojump_clock: MockClock
) -> None:
    """The agent is told, and its slot takes the next build."""
    await world.start_server()
    await world.start_agent()
    number = await world.submit(CHATTY)
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(3)
    await leave(world.server.cancel, number)
    await trio.sleep(10)
    assert (await world.server.build(number)).build.status is Status.CANCELED
    second = await world.submit("echo two")
    assert (await world.wait_build(second, limit_s=20)).build.status is Status.SUCCESS


async def test_a_registration_whose_agent_left_counts(
    world: World, autojump_clock: MockClock
) -> None:
    """Its new slots are used, also when somebody resumes it before it registers again."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    agent.said["slots"] = 2
    await leave(world.server.register, read_registration(json.dumps(agent.said).encode(), "agent"))
    await trio.sleep(1)
    await world.server.set_paused("agent-9001", paused=False)
    await agent.register()
    for _ in range(2):
        await world.submit()
    await world.wait_count(agent.taken, 2, limit_s=10)


async def test_a_pause_whose_asker_left_counts(world: World, autojump_clock: MockClock) -> None:
    """It is on disk, so it holds from now on and not only after a restart."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    await leave(partial(world.server.set_paused, paused=True), "agent-9001")
    await trio.sleep(1)
    await world.submit()
    await trio.sleep(10)
    assert agent.taken == []


@pytest.mark.parametrize("ticks", range(5))
async def test_a_cancel_at_the_moment_of_the_lease(
    world: World, autojump_clock: MockClock, ticks: int
) -> None:
    """Whichever comes first, the slot is free soon after."""
    await world.start_server()
    await world.start_agent()
    await world.wait_state(AgentState.ONLINE)
    await trio.sleep(1)
    number = await world.submit(CHATTY)
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    await world.server.cancel(number)
    await trio.sleep(10)
    second = await world.submit("echo two")
    assert (await world.wait_build(second, limit_s=20)).build.status is Status.SUCCESS


async def test_a_result_while_a_fresh_link_compares(
    world: World, autojump_clock: MockClock
) -> None:
    """A server that is back asks the agent, and the agent delivers at that very moment."""
    await world.start_server()
    agent = world.agent(slots=2)
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    await world.kill_server()
    agent.jobs["99.1.1"] = {}  # one that is not known there, so that the link has to cancel it
    world.network.delays["/cancel"] = 0.5
    await world.start_server()
    await world.wait_state(AgentState.ONLINE)
    await trio.sleep(0.2)
    assert (await agent.finish("1.1.1")).status_code == 200
    await world.submit()
    await world.wait_count(agent.taken, 2, limit_s=20)
    assert agent.taken == ["1.1.1", "2.1.1"]


async def test_an_agent_killed_between_taking_a_build_and_saying_so(
    world: World, autojump_clock: MockClock
) -> None:
    """It may have it, so it is not given to another one within the grace time."""
    await world.start_server()
    await world.start_agent(8081)
    await world.wait_state(AgentState.ONLINE)
    await trio.sleep(1)
    world.network.lose_answers["/build"] = 1
    number = await world.submit("echo one; sleep 20; echo two")
    while not world.machine(8081).started:
        await trio.lowlevel.checkpoint()
    await world.kill_agent(8081)
    await world.start_agent(8082)
    await trio.sleep(5)
    await world.start_agent(8081)
    view = await world.wait_build(number)
    assert [attempt.id for attempt in view.attempts] == ["1.1.1"]
    assert not world.machine(8082).started


async def test_a_hand_over_that_is_never_answered(world: World, autojump_clock: MockClock) -> None:
    """An agent that answers /status and not /build does not keep the build."""
    await world.start_server()
    agent, other = world.agent(9001), world.agent(9002)
    world.network.delays["agent:9001/build"] = 10**6
    await agent.register()
    number = await world.submit()
    await world.wait_build(number, Status.RUNNING)
    await other.register()
    await world.wait_count(other.taken, limit_s=60)
    await other.finish(other.taken[0])
    assert (await world.wait_build(number)).build.status is Status.SUCCESS


async def test_no_build_runs_without_an_attempt(world: World, autojump_clock: MockClock) -> None:
    """One that is put back between two looks is shown as it is at the second."""
    await world.start_server()
    agent = world.agent()
    agent.refuses = True
    world.network.delays["/build"] = 1.0
    await agent.register()
    number = await world.submit()
    await world.wait_build(number, Status.RUNNING)
    (build,) = (await world.server.builds(BuildFilter())).builds
    await world.wait_build(number, Status.WAITING)
    (view,) = await world.server.views([build])
    assert (view.build.status, view.attempts) == (Status.WAITING, ())


async def test_a_server_error_in_answer_to_build(world: World, autojump_clock: MockClock) -> None:
    """Nobody knows what happened behind it: the same id again, which is started once."""
    await world.start_server()
    agent = world.agent(slots=2)
    take, answers = agent.app.view_functions["_build"], 0

    async def build() -> Any:
        nonlocal answers
        answers += 1
        answer = await take()  # type: ignore[misc]  # Quart's type allows what is not awaitable
        return answer if answers > 1 else (jsonify({}), 502)

    agent.app.view_functions["_build"] = build
    await agent.register()
    await world.submit()
    await trio.sleep(4)
    assert agent.taken == ["1.1.1"]
    assert answers == 2


@pytest.mark.parametrize("status", [404, 409, 429])
async def test_a_refusal_after_an_answer_that_was_lost(
    world: World, autojump_clock: MockClock, status: int
) -> None:
    """It may have taken and run it before, so that attempt counts as lost: the build goes on."""
    await world.start_server()
    agent, other = world.agent(9001), world.agent(9002)
    take, answers = agent.app.view_functions["_build"], 0
    other_is_there = trio.Event()  # or the next attempt might be offered to the same one first

    async def build() -> Any:
        nonlocal answers
        answers += 1
        if answers > 1:
            await other_is_there.wait()
            return jsonify({"error": {"field": None, "message": "not now"}}), status
        await take()  # type: ignore[misc]  # as above
        return jsonify({}), 502

    agent.app.view_functions["_build"] = build
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    await other.register()
    other_is_there.set()
    await world.wait_count(other.taken, limit_s=60)
    assert other.taken == ["1.1.2"]
    assert (await agent.finish("1.1.1")).status_code == 410
    await other.finish("1.1.2")
    view = await world.wait_build(number, Status.SUCCESS)
    assert [(each.id, each.reason) for each in view.attempts] == [
        ("1.1.1", Reason.AGENT_LOST),
        ("1.1.2", Reason.EXITED),
    ]
    assert "may have taken it" in view.attempts[0].message


@pytest.mark.parametrize("status", [400, 413, 422, 404, 409, 429])
async def test_a_build_that_is_refused_holds_up_nobody(
    world: World, autojump_clock: MockClock, status: int
) -> None:
    """Refused for good, it ends in words; refused for now, others get it or it waits its turn."""
    await world.start_server()
    agent = world.agent()
    take = agent.app.view_functions["_build"]
    refused: list[int] = []

    async def build() -> Any:
        if not refused:
            refused.append(1)
            return jsonify({"error": {"field": "command", "message": "not with me"}}), status
        return await take()  # type: ignore[misc]  # as above

    agent.app.view_functions["_build"] = build
    await agent.register()
    number = await world.submit()
    await world.submit()
    await world.wait_count(agent.taken, limit_s=60)
    view = await world.server.build(number)
    if status in (404, 409, 429):
        assert agent.taken == ["1.1.2"]
    else:
        assert agent.taken == ["2.1.1"]
        assert (view.build.status, view.build.reason) == (Status.ERROR, Reason.COMMAND_REFUSED)
        assert "not with me" in view.build.message


async def test_two_names_at_one_address(world: World, autojump_clock: MockClock) -> None:
    """An agent that was renamed, or two that give one address: only who answers is served."""
    await world.start_server()
    old = world.agent(name="old")
    await old.register()
    await world.wait_state(AgentState.ONLINE)
    new = world.agent(name="new")
    await new.register()
    await trio.sleep(20)
    states = {view.agent.name: view.state for view in await world.server.agents()}
    assert states == {"old": AgentState.LOST, "new": AgentState.ONLINE}
    number = await world.submit()
    await world.wait_count(new.taken)
    await trio.sleep(60)
    assert new.canceled == []
    await new.finish(new.taken[0])
    assert (await world.wait_build(number)).build.status is Status.SUCCESS


async def test_a_cancel_that_nobody_asked_for_is_no_end(
    world: World, autojump_clock: MockClock
) -> None:
    """An agent that ends a command by itself is taken for lost, and the build goes on."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    for _ in ("first", "repeated"):
        answer = await agent.finish("1.1.1", status="error", reason="canceled", exit_code=None)
        assert answer.status_code == 200
    await world.wait_count(agent.taken, 2)
    view = await world.server.build(number)
    assert view.attempts[0].reason is Reason.AGENT_LOST


@pytest.mark.parametrize("said", ['{"load": 1e999}', '{"disk_free": 1' + "0" * 400 + "}", "x"])
async def test_whatever_an_agent_says_of_itself_pages_are_shown(
    world: World, autojump_clock: MockClock, said: str
) -> None:
    """Numbers without end, or no JSON at all."""
    await world.start_server()
    agent = world.agent()

    async def status() -> Response:
        return Response(said, content_type="application/json")

    agent.app.view_functions["_status"] = status
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    async with world.network.client() as client:
        for path in ("/agents", "/api/agents", "/"):
            answer = await client.get(f"http://server:8080{path}")
            assert answer.status_code == 200


@pytest.mark.parametrize("host", ["a..b", "1:2:3", "x" * 64, "::::", "-x", "a/b", "fe80::1%eth0"])
async def test_a_host_that_can_not_be_is_refused(
    world: World, autojump_clock: MockClock, host: str
) -> None:
    """It never gets into the store, from where it could end every later start."""
    await world.start_server()
    answer = await world.agent().post("/notify_agent", json={"host": host, "port": 1})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "host"
    assert await world.server.agents() == ()


async def test_no_password_of_a_repository_is_shown(
    world: World, autojump_clock: MockClock
) -> None:
    """Neither on the pages nor in the API; the agent gets it."""
    await world.start_server(repository="https://ci:s3cret@git.example/x.git")
    agent = world.agent()
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    assert "s3cret" in agent.jobs["1.1.1"]["repository"]
    async with world.network.client() as client:
        for path in ("/", "/build/1", "/api/builds", "/api/builds/1"):
            assert "s3cret" not in (await client.get(f"http://server:8080{path}")).text


async def test_a_log_that_another_store_left_is_nobody_s(
    world: World, autojump_clock: MockClock
) -> None:
    """After a restore numbers are given again; a build shows what it printed, and nothing else."""
    left = world.folder / "server" / "logs" / "000000" / "1.1.1.log"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a secret of somebody else\n")
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    assert await world.log(number) == b""
    await agent.finish("1.1.1", log="", log_size=0)
    await world.wait_build(number, Status.SUCCESS)
    assert await world.log(number) == b""


async def test_a_server_that_stood_still_asks_before_it_gives_up(
    world: World, autojump_clock: MockClock
) -> None:
    """Its machine was stopped for a while: that was no silence of the agents."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    answer = agent.app.view_functions["_status"]
    asked: list[int] = []

    async def status() -> Any:
        asked.append(1)
        await trio.sleep(0.5)
        return await answer()  # type: ignore[misc]  # it is a coroutine function

    agent.app.view_functions["_status"] = status
    await world.wait_count(asked)
    autojump_clock.jump(600)  # while the question is on its way
    await trio.sleep(60)
    await agent.finish("1.1.1")
    view = await world.wait_build(number, limit_s=60)
    assert view.build.status is Status.SUCCESS
    assert len(view.attempts) == 1
