"""What the log tells of builds and agents: each event once, in order, with the same names."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog.testing
import trio
from trio.testing import MockClock

from ci.errors import Busy, StoreFailed
from ci.model import AgentState, Status
from tests.story.world import World

Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Every event that is logged, by server and agents."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def of_build(lines: Lines, number: int) -> list[str]:
    """What was told of one build: event, attempt, and what matters most of the rest."""
    told = []
    for line in lines:
        if line.get("build") != number:
            continue
        words = [line["event"]]
        words += [str(line[key]) for key in ("attempt", "agent", "status", "reason") if key in line]
        told.append(" ".join(words) + (f" → {line['next']}" if "next" in line else ""))
    return told


def of_agent(lines: Lines, name: str) -> list[str]:
    """What was told of one agent, without the attempts that it had."""
    return [line["event"] for line in lines if line.get("agent") == name and "build" not in line]


async def test_the_life_of_a_build_that_loses_its_agent(
    world: World, lines: Lines, autojump_clock: MockClock
) -> None:
    """Accepted, leased, handed over, given up, once more, repeated, refused when it is late."""
    await world.start_server()
    oak, elm = world.agent(9001, name="oak"), world.agent(9002, name="elm")
    await oak.register()
    number = await world.submit()
    await world.wait_count(oak.taken)
    oak.down()
    await elm.register()
    await world.wait_count(elm.taken)
    await elm.finish("1.1.2", exit_code=3)
    await world.wait_build(number)
    await elm.finish("1.1.2", exit_code=3)
    oak.up()
    assert (await oak.finish("1.1.1")).status_code == 410

    assert of_build(lines, number) == [
        "build accepted",
        "attempt leased 1.1.1 oak",
        "attempt handed over 1.1.1 oak",
        "attempt given up 1.1.1 oak agent_lost → the build waits again",
        "attempt leased 1.1.2 elm",
        "attempt handed over 1.1.2 elm",
        "result taken 1.1.2 elm failure exited → the build ends",
        "build ended failure exited",
        "result repeated 1.1.2 elm",
    ]
    (refused,) = [line for line in lines if line["event"] == "result refused"]
    assert (refused["attempt"], refused["log_level"]) == ("1.1.1", "warning")
    assert "1.1.1 is over: agent_lost" in refused["why"]
    (ended,) = [line for line in lines if line["event"] == "build ended"]
    assert ended["duration_s"] == 1.5


async def test_a_cancel_and_a_restart(
    world: World, lines: Lines, autojump_clock: MockClock
) -> None:
    """What was waiting and running is told at the next start; a canceled build ends once."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    await oak.register()
    running, waiting = await world.submit(), await world.submit()
    await world.wait_count(oak.taken)
    await world.kill_server()
    await world.start_server()
    await world.wait_state(AgentState.ONLINE)
    await world.server.cancel(waiting)
    await world.server.cancel(running)

    opened = [line for line in lines if line["event"] == "store opened"]
    assert [(line["waiting"], line["running"], line["agents"]) for line in opened] == [
        (0, 0, 0),
        (1, 1, 1),
    ]
    assert of_build(lines, running) == [
        "build accepted",
        "attempt leased 1.1.1 oak",
        "attempt handed over 1.1.1 oak",
        "build canceled → their processes are ended",
        "build ended canceled canceled",
    ]
    assert of_build(lines, waiting) == [
        "build accepted",
        "build canceled → the build ends",
        "build ended canceled canceled",
    ]


async def test_an_agent_that_does_not_take_it(
    world: World, lines: Lines, autojump_clock: MockClock
) -> None:
    """Refused again and again it is told once, and each time that the attempt was put back."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    await oak.register()
    await world.wait_state(AgentState.ONLINE)
    oak.said["slots"] = 0  # so it refuses, but does not say that it drains
    number = await world.submit()
    await trio.sleep(3)
    oak.said["slots"] = 1
    await world.wait_count(oak.taken)

    told = of_build(lines, number)
    assert told[:3] == [
        "build accepted",
        "attempt leased 1.1.1 oak",
        "attempt put back 1.1.1 → the build waits again",
    ]
    assert told[-1] == f"attempt handed over {oak.taken[0]} oak"
    events = of_agent(lines, "oak")
    assert events.count("agent takes no work") == 1
    assert events[-1] == "agent takes work again"


async def test_the_life_of_an_agent(world: World, lines: Lines, autojump_clock: MockClock) -> None:
    """Registered, online, lost with what follows, still lost each hour, online again."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    await oak.register()
    await world.wait_state(AgentState.ONLINE)
    await world.submit()
    await world.wait_count(oak.taken)
    await world.server.set_paused("oak", paused=True)
    await world.server.set_paused("oak", paused=True)
    await world.server.set_paused("oak", paused=False)
    oak.down()
    await trio.sleep(2.5 * 3600)
    oak.jobs.clear()
    await oak.register()
    await world.wait_state(AgentState.ONLINE)

    assert of_agent(lines, "oak") == [
        "agent registered",
        "agent online",
        "agent paused",
        "agent resumed",
        "agent missed a heartbeat",
        "agent missed a heartbeat",
        "agent missed a heartbeat",
        "agent lost",
        "grace over",
        "agent still lost",
        "agent still lost",
        "agent online",
    ]
    (over,) = [line for line in lines if line["event"] == "grace over"]
    assert over["attempts"] == ["1.1.1"]
    away_s = [line["away_s"] for line in lines if line["event"] == "agent online"]
    assert away_s[0] is None
    assert 2.4 * 3600 < away_s[1] < 2.6 * 3600


async def test_a_build_as_its_agent_tells_it(
    world: World, lines: Lines, autojump_clock: MockClock
) -> None:
    """The same attempt id leads from the server's lines to the agent's."""
    await world.start_server()
    await world.start_agent()
    await world.wait_build(await world.submit())
    await trio.sleep(1)
    told = [line["event"] for line in lines if line.get("attempt") == "1.1.1"]
    for event in (
        "attempt accepted",
        "commit found",
        "command started",
        "attempt ended",
        "attempt delivered",
    ):
        assert told.count(event) == 1
    (ended,) = [line for line in lines if line["event"] == "attempt ended"]
    assert (ended["status"], ended["reason"], ended["exit_code"]) == ("success", "exited", 0)


async def test_a_server_that_stays_away_is_told_a_few_times(
    world: World, lines: Lines, autojump_clock: MockClock
) -> None:
    """Not at each try: at once, each minute, and when it is back."""
    await world.start_agent()
    await trio.sleep(200)
    await world.start_server()
    await world.wait_state(AgentState.ONLINE)
    told = [line["event"] for line in lines if "reachable" in line["event"]]
    still = told[1:-1]
    assert set(still) == {"server still unreachable"}
    assert len(still) in (2, 3), "the tries are up to 30 seconds apart"
    assert (told[0], told[-1]) == ("server unreachable", "server reachable again")


async def test_a_full_queue_is_told_once_a_minute(
    world: World, lines: Lines, autojump_clock: MockClock
) -> None:
    """With the number of those that were refused."""
    await world.start_server(maxWaitingBuilds=1)
    await world.submit()
    for _ in range(61):
        with pytest.raises(Busy):
            await world.submit()
        await trio.sleep(1)
    told = [line["refused"] for line in lines if line["event"] == "builds refused"]
    assert told == [1, 60]


async def test_a_disk_that_refuses_is_told_once(
    world: World, lines: Lines, autojump_clock: MockClock
) -> None:
    """When it begins, and when it is over."""
    await world.start_server()
    connection: Any = world.server._store._writer._connection.connection.driver_connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    refused = 0
    while refused < 3:
        try:
            await world.submit("x" * 5000)
        except StoreFailed:
            refused += 1
    connection.execute("PRAGMA max_page_count = 1000000")
    number = await world.submit()
    assert (await world.server.build(number)).build.status is Status.WAITING
    told = [line["event"] for line in lines if line["event"].startswith("store ")]
    assert told == ["store opened", "store can't write", "store writes again"]
