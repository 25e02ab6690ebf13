"""What goes wrong with one build is its own matter, and what nobody has foreseen ends nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ci.model import Status
from tests.story.external.stand import SETTINGS, Stand, open_stand
from tests.story.test_metrics import read
from tests.story.world import World

HOUR_S = 3600.0


def _each_time(world: World, what: str, do: Callable[[], None]) -> None:
    """Do something on the way of each call."""

    def again() -> None:
        world.network.on_the_way[what] = again
        do()

    world.network.on_the_way[what] = again


def _stumble() -> None:
    raise OverflowError("nobody has foreseen this")


def _told(lines: list[Any]) -> Counter[str]:
    return Counter(line["event"] for line in lines if line["event"].startswith("storage"))


async def test_a_look_that_breaks_in_an_unforeseen_way_ends_nothing(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It is told once with its traceback, and counted as an outage; our own builds go on."""
    async with open_stand(world, tmp_path) as stand:
        _each_time(world, "before /api/build/list", _stumble)
        id = stand.request()
        with capture_logs() as lines:
            await world.start_server(**SETTINGS)
            await world.start_agent()
            own = await world.submit("echo own")
            assert (await world.wait_build(own)).build.status is Status.SUCCESS
            await trio.sleep(600)
            assert 590 < (await read(world))["ci_storage_failing_seconds"] < 660
            del world.network.on_the_way["before /api/build/list"]
            assert await stand.wait_over(id) == ["Success"]
        broken = [line for line in lines if line["event"] == "storage look broken"]
        assert [line["exc_info"] for line in broken] == [True]
        assert _told(lines)["storage list read again"] == 1


async def test_a_build_that_breaks_in_an_unforeseen_way_holds_up_no_other(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It is told once with its traceback, and tried again more and more rarely."""
    async with open_stand(world, tmp_path) as stand:
        bad = stand.request()
        await world.start_server(**SETTINGS)
        await world.start_agent()
        number = await stand.wait_taken(bad)
        await world.wait_build(number, Status.RUNNING)
        tries: list[float] = []

        def stumble() -> None:
            if bad.encode() in world.network.requests[-1][2]:
                tries.append(trio.current_time())
                _stumble()

        _each_time(world, "before /api/build/finish", stumble)
        others = [stand.request() for _ in range(3)]
        with capture_logs() as lines:
            assert await stand.wait_over(*others, limit_s=120) == ["Success"] * 3
            await trio.sleep(HOUR_S)
        assert 10 < len(tries) < 60
        assert _told(lines)["storage build broken"] == 1
        external = (await world.server.build(number)).external
        assert external is not None
        assert "a mistake of this server: OverflowError" in external.report
        del world.network.on_the_way["before /api/build/finish"]
        assert await stand.wait_over(bad, limit_s=600) == ["Success"]


async def test_a_build_that_can_be_neither_told_nor_looked_at_holds_up_no_other(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It is asked for more and more rarely; the log calls that no outage, and tells it once."""
    async with open_stand(world, tmp_path) as stand:
        bad = stand.request()
        stand.broken[bad] = "500 before"
        stand.unreadable.add(bad)
        await world.start_server(**SETTINGS)
        await world.start_agent()
        await world.wait_build(await stand.wait_taken(bad))
        with capture_logs() as lines:
            began = trio.current_time()
            others = [stand.request() for _ in range(5)]
            assert await stand.wait_over(*others, limit_s=120) == ["Success"] * 5
            await trio.sleep(HOUR_S)
        asked = [path for at, path in stand.asked if at > began and path == "build/details"]
        assert 10 < len(asked) < 60
        told = _told(lines)
        assert told["storage build not told"] == 1
        assert not told["storage API fails"]
        stand.unreadable.clear()
        del stand.broken[bad]
        assert await stand.wait_over(bad, limit_s=600) == ["Success"]


@pytest.mark.parametrize("way", ["413", "400", "500", "503", "broken"])
async def test_a_log_that_the_storage_does_not_bear_is_sent_in_part(
    world: World, autojump_clock: MockClock, tmp_path: Path, way: str
) -> None:
    """Whatever it says to it: less and less, until its end is told, and soon."""
    async with open_stand(world, tmp_path) as stand:
        _refuse_large(stand, 20_000, way)
        stand.configure(command="echo end")
        world.machine().first_output = b"begin\n" + b"x" * 1_000_000
        id = stand.request()
        with capture_logs() as lines:
            await world.start_server(**SETTINGS)
            await world.start_agent()
            await world.wait_build(await stand.wait_taken(id))
            world.machine().first_output = b""
            small = stand.request()
            assert await stand.wait_over(small, limit_s=60) == ["Success"]
            assert await stand.wait_over(id, limit_s=600) == ["Success"]
        log = stand.storage.log(id)
        assert log.startswith("begin\n")
        assert log.endswith("end\n")
        assert "bytes are left out here" in log
        assert 10_000 < len(log) < 20_000
        told = _told(lines)
        assert told["storage log cut"] == 6, "from a million to 16 thousand"
        assert not told["storage build not told"], "it got on each time"
        assert not told["storage API fails"]
        sizes = [len(body) for _, path, body in world.network.requests if "finish" in path]
        assert sum(size > 900_000 for size in sizes) <= 6


def _refuse_large(stand: Stand, most: int, way: str) -> None:
    if way != "broken":
        stand.most_bytes, stand.too_large = most, way
        return

    def check() -> None:
        if len(stand.world.network.requests[-1][2]) > most:
            raise httpx.ReadError("connection reset")

    _each_time(stand.world, "before /api/build/finish", check)


async def test_a_finish_that_is_refused_at_any_size_is_sent_whole(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """In the end: what is in the way is not the log."""
    async with open_stand(world, tmp_path) as stand:
        stand.configure(command="echo end")
        world.machine().first_output = b"begin\n" + b"x" * 100_000
        id = stand.request()
        stand.broken[id] = "500 before"
        await world.start_server(**SETTINGS)
        await world.start_agent()
        await world.wait_build(await stand.wait_taken(id))
        await trio.sleep(HOUR_S)
        del stand.broken[id]
        assert await stand.wait_over(id, limit_s=600) == ["Success"]
        assert len(stand.storage.log(id)) == 100_010


async def test_a_cancel_needs_no_slot(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It is told also where no agent was ever there."""
    async with open_stand(world, tmp_path) as stand:
        id = stand.request()
        await world.start_server(**SETTINGS)
        number = await stand.wait_taken(id)
        await trio.sleep(60)
        await world.server.cancel(number)
        assert await stand.wait_over(id, limit_s=60) == ["Canceled"]


@pytest.mark.parametrize("settings", [{}, {"apiShared": True}])
async def test_no_more_is_begun_than_there_are_slots(
    world: World, autojump_clock: MockClock, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Also where the answer to a start is lost: the slot is for that build."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(4)]
        stand.failures["build/start"] += ["500 after", "500 before", "500 after"]
        world.network.lose_answers["/api/build/start"] = 1
        await world.start_server(**SETTINGS, **settings)
        await world.start_agent()
        running = 0
        while any(stand.build(id).status in ("Waiting", "InProgress") for id in ids):
            running = max(running, sum(stand.build(id).status == "InProgress" for id in ids))
            await trio.sleep(0.05)
        assert running == 1
        assert [stand.build(id).status for id in ids] == ["Success"] * 4
        starts = [str(stand.build(id).start) for id in ids]
        assert starts == sorted(starts)


async def test_a_storage_that_keeps_whole_seconds_may_be_shared(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A start whose answer was lost is known by its second."""
    async with open_stand(world, tmp_path) as stand:
        stand.keeps_seconds = True
        ids = [stand.request() for _ in range(4)]
        stand.failures["build/start"] += ["500 after"] * 4
        await world.start_server(**SETTINGS, apiShared=True)
        await world.start_agent()
        assert await stand.wait_over(*ids, limit_s=300) == ["Success"] * 4
        assert all("." not in str(stand.build(id).start) for id in ids)
