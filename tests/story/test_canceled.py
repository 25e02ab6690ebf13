"""Stories of canceled builds: canceled at once, and yet nothing that they printed is lost."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from ci.model import AgentState, Reason, Status
from ci.server.withdrawal import OVERTIME_S
from tests.fakes.agent import FakeAgent
from tests.story.world import World

# It minds no SIGTERM, so it prints two lines more before it is killed.
STUBBORN = "trap '' TERM; echo one; sleep 5; echo two; sleep 2; echo three; sleep 1000"


async def cancel_running(world: World, agent: FakeAgent) -> str:
    """Let an agent take a build that is canceled then, and hear of it; return the attempt's id."""
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    await world.server.cancel(number)
    await world.wait_count(agent.canceled)
    return agent.taken[0]


async def expect_end(world: World, log: bytes, log_size: int | None) -> None:
    """The first build is canceled and its log is at its end."""
    view = await world.server.build(1)
    assert (view.build.status, view.build.reason) == (Status.CANCELED, Reason.CANCELED)
    (attempt,) = view.attempts
    assert (attempt.status, attempt.reason, attempt.exit_code) == (
        Status.CANCELED,
        Reason.CANCELED,
        None,
    )
    assert (attempt.log_size, attempt.log_open) == (log_size, False)
    assert await world.log(1) == log


async def test_the_end_of_its_log_is_taken(world: World, autojump_clock: MockClock) -> None:
    """Pieces and a result, which changes nothing else; a repeat is fine, more is refused."""
    await world.start_server()
    agent = world.agent()
    id = await cancel_running(world, agent)
    canceled = (await world.server.build(1)).build
    assert (await agent.log(id, 0, b"one\n")).json() == {"size": 4}
    await trio.sleep(60)  # as long as its agent says that it has it
    assert (await agent.log(id, 6, b"three\n")).status_code == 409
    assert (await agent.log(id, 4, b"two\n")).json() == {"size": 8}
    assert (await world.server.log(1)).growing
    gap = await agent.finish(id, exit_code=3, log_size=9)
    assert (gap.status_code, gap.json()["size"]) == (409, 8)
    for _ in ("first", "again"):
        assert (await agent.finish(id, exit_code=3, log_size=8)).status_code == 200
        await expect_end(world, b"one\ntwo\n", 8)
    assert (await agent.log(id, 8, b"more")).status_code == 410
    assert (await agent.finish(id, exit_code=0, log="all else")).status_code == 200
    await expect_end(world, b"one\ntwo\n", 8)
    after = (await world.server.build(1)).build
    assert (after.finished_at, after.duration_s) == (canceled.finished_at, canceled.duration_s)


@pytest.mark.parametrize("said", [{"reason": "canceled"}, {"reason": "timeout"}, {"protocol": 0}])
async def test_whatever_its_agent_says_of_its_end_it_is_canceled(
    world: World, autojump_clock: MockClock, said: dict[str, object]
) -> None:
    """With the log in the result, too."""
    await world.start_server()
    agent = world.agent()
    id = await cancel_running(world, agent)
    answer = await agent.finish(id, exit_code=None, log="all of it\n", **said)
    assert answer.status_code == 200
    await expect_end(world, b"all of it\n", 10)


async def test_the_server_is_restarted_before_the_end(
    world: World, autojump_clock: MockClock
) -> None:
    """It takes the rest all the same, and tells the agent again to end it."""
    await world.start_server()
    agent = world.agent()
    id = await cancel_running(world, agent)
    await agent.log(id, 0, b"one\n")
    await world.kill_server()
    await trio.sleep(20)
    await world.start_server()
    assert (await agent.register())["attempts"] == {id: "keep"}
    await world.wait_count(agent.canceled, 2, limit_s=10)
    assert (await agent.log(id, 4, b"two\n")).status_code == 200
    assert (await agent.finish(id, log_size=8)).status_code == 200
    await expect_end(world, b"one\ntwo\n", 8)


async def test_its_agent_is_lost_before_the_end(world: World, autojump_clock: MockClock) -> None:
    """Nobody waits for ever: after the grace time the log stays as it is, and more is refused."""
    await world.start_server()
    agent = world.agent()
    id = await cancel_running(world, agent)
    await agent.log(id, 0, b"one\n")
    agent.down()
    await world.wait_state(AgentState.LOST)
    assert (await world.server.log(1)).growing
    await trio.sleep(60)
    await expect_end(world, b"one\n", None)
    assert (await agent.register())["attempts"] == {id: "drop"}
    assert (await agent.log(id, 4, b"two\n")).status_code == 410
    assert (await agent.finish(id, log_size=4)).status_code == 410
    await expect_end(world, b"one\n", None)


async def test_its_agent_has_forgotten_it(world: World, autojump_clock: MockClock) -> None:
    """What an agent does not have, it will not bring; the next heartbeat tells."""
    await world.start_server()
    agent = world.agent()
    id = await cancel_running(world, agent)
    agent.delivering.clear()
    await trio.sleep(10)
    await expect_end(world, b"", None)
    assert (await agent.finish(id)).status_code == 410


async def test_an_attempt_of_another_time_is_not_meant(
    world: World, autojump_clock: MockClock
) -> None:
    """A store that was restored gives ids again: what bears another mark is of another build."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    mark = agent.jobs["1.1.1"]["lease_mark"]
    await world.server.cancel(1)
    params = {"id": "1.1.1", "offset": "0", "lease_mark": "20200101T000000.000000"}
    assert (await agent.post("/notify_build_log", params=params, content=b"old")).status_code == 410
    old = await agent.finish("1.1.1", lease_mark=params["lease_mark"], log="old")
    assert old.status_code == 410
    assert (await agent.finish("1.1.1", lease_mark=mark, log="new")).status_code == 200
    await expect_end(world, b"new", 3)


async def test_an_agent_that_never_heard_of_it_is_not_waited_for(
    world: World, autojump_clock: MockClock
) -> None:
    """Canceled while it was refused: no agent has it, so its log is at its end."""
    await world.start_server()
    agent = world.agent()
    agent.refuses = True
    await agent.register()
    await world.wait_state(AgentState.ONLINE)
    world.network.delays["/build"] = 2
    await world.submit()
    await world.wait_build(1, Status.RUNNING)
    await trio.sleep(1)
    await world.server.cancel(1)
    await trio.sleep(15)
    await expect_end(world, b"", 0)


async def test_an_agent_of_others_delivers_later_or_never(
    world: World, autojump_clock: MockClock
) -> None:
    """It may know no cancel and say nothing of its attempts; nobody waits for it for ever."""
    await world.start_server(buildTimeoutSeconds=600)
    agent = world.agent(protocol=0, slots=2)
    agent.terse = True
    await agent.register()
    for _ in range(2):
        await world.submit()
    await world.wait_count(agent.taken, 2)
    for number in (1, 2):
        await world.server.cancel(number)
    await trio.sleep(300)
    answer = await agent.post(
        "/notify_build_result", json={"id": "1.1.1", "status": 0, "stdout": "done\n"}
    )
    assert answer.status_code == 200
    await expect_end(world, b"done\n", 5)
    assert (await world.server.log(2)).growing
    await trio.sleep(300 + OVERTIME_S + 60)
    assert not (await world.server.log(2)).growing
    assert (await world.server.build(2)).build.status is Status.CANCELED


async def test_what_a_command_prints_while_it_is_ended_is_kept(
    world: World, autojump_clock: MockClock
) -> None:
    """The page says canceled at once; the next build has the slot when the processes are gone."""
    await world.start_server()
    await world.start_agent()
    await world.submit(STUBBORN)
    await world.wait_build(1, Status.RUNNING)
    await trio.sleep(4)
    await world.server.cancel(1)
    assert (await world.server.build(1)).build.status is Status.CANCELED
    after = await world.wait_build(await world.submit("echo next"), limit_s=10)
    assert after.build.status is Status.SUCCESS
    await expect_end(world, b"one\ntwo\nthree\n", 14)


@pytest.mark.parametrize("who", ["server", "agent", "both"])
async def test_somebody_dies_while_it_is_ended(
    world: World, autojump_clock: MockClock, who: str
) -> None:
    """The log waits on the agent's disk, whoever is away."""
    await world.start_server(graceSeconds=60)
    await world.start_agent()
    await world.submit(STUBBORN)
    await world.wait_build(1, Status.RUNNING)
    await trio.sleep(4)
    await world.server.cancel(1)
    await trio.sleep(2)
    if who != "agent":
        await world.kill_server()
    if who != "server":
        await world.kill_agent()
    await trio.sleep(20)
    if who != "agent":
        await world.start_server(graceSeconds=60)
    if who != "server":
        await world.start_agent()
    after = await world.wait_build(await world.submit("echo next"), limit_s=60)
    assert after.build.status is Status.SUCCESS
    await expect_end(world, b"one\ntwo\nthree\n", 14)
    spool = world.folder / "agent-8081" / "spool"
    await trio.sleep(5)
    assert list(spool.iterdir()) == []


async def test_an_open_page_shows_the_end_of_the_log(
    world: World, autojump_clock: MockClock
) -> None:
    """It goes on asking until the log is at its end, and not after that."""
    await world.start_server()
    agent = world.agent()
    id = await cancel_running(world, agent)
    async with world.network.client() as client:

        async def look(address: str) -> str:
            answer = await client.get(f"http://server:8080{address}", headers={"HX-Request": "1"})
            assert answer.status_code == 200
            return answer.text

        page = await look("/build/1")
        assert "canceled</span></h1>" in page
        assert "The end of its log is on its way." in page
        await agent.log(id, 0, b"the end")
        added = await look(_tail_of(page))
        assert "the end" in added
        await agent.finish(id, log_size=7)
        last = await look(_tail_of(added))
        assert "the end" in last
        assert "hx-get" not in last
        assert "on its way" not in last
        api = (await client.get("http://server:8080/api/builds/1")).json()
        assert (api["log_size"], api["attempts"][0]["log_size"]) == (7, 7)


def _tail_of(page: str) -> str:
    """The address that the page's tail asks."""
    return (
        page.partition('id="tail"')[2]
        .partition('hx-get="')[2]
        .partition('"')[0]
        .replace("&amp;", "&")
    )
