"""Whatever way a call to the storage fails, nothing is lost and nothing is done twice."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.story.external.stand import FAILURES, SETTINGS, open_stand
from tests.story.test_metrics import read
from tests.story.world import World

CALLS: Final = ("conf", "build/list", "build/start", "build/finish", "build/details")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("path", CALLS)
async def test_a_call_that_fails_is_made_good(
    world: World, autojump_clock: MockClock, tmp_path: Path, path: str, kind: str, when: str
) -> None:
    """Twice in a row; of two builds each is begun and finished once."""
    async with open_stand(world, tmp_path) as stand:
        stand.failures[path] += [f"{kind} {when}"] * 2
        if path == "build/details":  # which is asked only where something else has failed
            stand.failures["build/start"] += [f"{kind} {when}"]
        ids = [stand.request(), stand.request()]
        await world.start_server(**SETTINGS)
        await world.start_agent()
        assert await stand.wait_over(*ids, limit_s=900) == ["Success"] * 2
        assert await stand.wait_told(*ids) == ["", ""]
        assert [len(world.machine().started), *set(stand.done.values())] == [2, 1]
        assert not any(stand.failures.values())


@pytest.mark.parametrize("path", CALLS)
async def test_an_answer_that_is_lost(
    world: World, autojump_clock: MockClock, tmp_path: Path, path: str
) -> None:
    """The connection breaks after the change was made, or takes too long."""
    async with open_stand(world, tmp_path) as stand:
        world.network.lose_answers[f"/api/{path}"] = 2
        if path == "build/details":
            world.network.lose_answers["/api/build/start"] = 1
        id = stand.request()
        await world.start_server(**SETTINGS)
        await world.start_agent()
        assert await stand.wait_over(id, limit_s=900) == ["Success"]
        assert await stand.wait_told(id) == [""]
        assert set(stand.done.values()) == {1}
        world.network.delays[f"/api/{path}"] = 31.0
        slow = stand.request()
        await trio.sleep(200)
        del world.network.delays[f"/api/{path}"]
        assert await stand.wait_over(slow, limit_s=900) == ["Success"]
        assert set(stand.done.values()) == {1}


async def test_an_hour_without_storage_in_mid_build(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """What runs goes on, its end is told later; the log says it once, then how long it lasts."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(5)]
        await world.start_server(**SETTINGS)
        await world.start_agent()
        await stand.wait_over(ids[0])
        with capture_logs() as lines:
            stand.go()
            await trio.sleep(3600)
            stand.come()
            assert await stand.wait_over(*ids, limit_s=300) == ["Success"] * 5
        assert set(stand.done.values()) == {1}
        said = [line["event"] for line in lines if "storage API" in line["event"]]
        assert said[0] == "storage API fails"
        assert said[1:-1] == ["storage API still fails"] * (len(said) - 2)
        assert 3 <= len(said) - 2 <= 6
        assert said[-1] == "storage API answers again"


async def test_an_outage_is_told_again_when_it_becomes_another(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Who reads that nobody answers does not look for a token that is wrong."""
    async with open_stand(world, tmp_path) as stand:
        stand.go()
        with capture_logs() as lines:
            await world.start_server(**SETTINGS)
            await trio.sleep(200)
            stand.failures["conf"] += ["401 before"] * 10
            stand.come()
            while stand.failures["conf"]:
                await trio.sleep(1)
            await trio.sleep(60)
        said = [line for line in lines if line["event"].startswith("storage API")]
        assert [line["event"].removeprefix("storage API ") for line in said] == [
            "fails",
            "still fails",
            "answers again",
            "configured",
        ]
        assert "can't connect" in said[0]["error"]
        assert "is apiToken right?" in said[1]["error"]
        assert 200 <= said[1]["for_s"] < said[2]["after_s"]


async def test_a_storage_that_answers_nothing_but_500_is_left_alone(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """For no build is it asked more than now and then; its end is told soon after the outage's."""
    async with open_stand(world, tmp_path) as stand:
        await world.start_server(**SETTINGS)
        ids = [stand.request() for _ in range(8)]
        await stand.wait_taken(ids[-1])
        await world.start_agent(slots=8)
        await stand.wait_status(ids[-1], "InProgress")
        for path in ("conf", "build/list", "build/start", "build/finish", "build/details"):
            stand.failures[path] += ["500 before"] * 10_000
        with capture_logs() as lines:
            began = trio.current_time()
            await trio.sleep(3600)
            assert sum(at > began for at, _ in stand.asked) < 3600 / 2
            stand.failures.clear()
            assert await stand.wait_over(*ids, limit_s=60) == ["Success"] * 8
        said = [line["event"] for line in lines if line["event"].startswith("storage API")]
        assert said[0] == "storage API fails"
        assert said[-1] == "storage API answers again"
        assert len(said) <= 8


async def test_a_build_that_is_refused_holds_up_no_other(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It is tried again, more and more rarely, and its page says so; then its end is told."""
    async with open_stand(world, tmp_path) as stand:
        bad = stand.request()
        stand.broken[bad] = "500 before"
        await world.start_server(**SETTINGS)
        await world.start_agent()
        number = await stand.wait_taken(bad)
        await world.wait_build(number)
        others = [stand.request() for _ in range(3)]
        assert await stand.wait_over(*others, limit_s=120) == ["Success"] * 3
        await trio.sleep(3600)
        tries = [at for at, path in stand.asked if path == "build/finish"]
        assert 10 < len(tries) < 60
        del stand.broken[bad]
        assert await stand.wait_over(bad, limit_s=600) == ["Success"]


async def test_who_asks_to_be_left_alone_is(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """No call is made before the time that `Retry-After` says."""
    async with open_stand(world, tmp_path) as stand:
        await world.start_server(**SETTINGS)
        await trio.sleep(20)
        stand.failures["conf"] += ["429 before"]
        while stand.failures["conf"]:
            await trio.sleep(1)
        asked = len(stand.asked)
        await trio.sleep(85)
        assert len(stand.asked) == asked
        await trio.sleep(15)
        assert len(stand.asked) > asked


async def test_a_log_that_is_too_large_is_sent_in_part(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Its beginning and its end, and how much is left out between them."""
    async with open_stand(world, tmp_path) as stand:
        stand.configure(command="echo end")
        world.machine().first_output = b"begin\n" + b"x" * 5000
        id = stand.request()
        await world.start_server(**SETTINGS, apiLogBytes=1024)
        await world.start_agent()
        assert await stand.wait_over(id) == ["Success"]
        log = stand.storage.log(id)
        assert log.startswith("begin\n")
        assert log.endswith("end\n")
        assert "bytes are left out here" in log
        assert len(log) < 1300


async def test_a_list_that_is_never_read_is_told(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Though all other calls work."""
    async with open_stand(world, tmp_path) as stand:
        stand.failures["build/list"] += ["500 before"] * 50
        with capture_logs() as lines:
            await world.start_server(**SETTINGS)
            await trio.sleep(30)
        said = [line["event"] for line in lines]
        assert said.count("storage list not read") == 1
        assert "storage API fails" not in said


async def test_a_storage_that_is_left_out_of_the_settings(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """What was taken waits and says so, until there is one again."""
    async with open_stand(world, tmp_path) as stand:
        id = stand.request()
        await world.start_server(**SETTINGS)
        number = await stand.wait_taken(id)
        await world.kill_server()
        await world.start_agent()
        with capture_logs() as lines:
            await world.start_server()
        assert [line["builds"] for line in lines if line["event"] == "storage builds left"] == [1]
        await trio.sleep(60)
        view = await world.server.build(number)
        assert view.waiting_for == "Next in line; the storage API has not heard of its start."
        assert view.external is not None
        assert "there is no apiBaseUrl any more" in view.external.report
        await world.kill_server()
        await world.start_server(**SETTINGS)
        assert await stand.wait_over(id) == ["Success"]


async def test_what_the_storage_has_to_hear_is_counted(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """And for how long it has failed."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(3)]
        await world.start_server(**SETTINGS)
        await stand.wait_taken(ids[-1])
        told = await read(world)
        assert (told["ci_storage_untold"], told["ci_storage_failing_seconds"]) == (3, 0)
        stand.go()
        await trio.sleep(100)
        assert 90 <= (await read(world))["ci_storage_failing_seconds"] <= 100
        stand.come()
        await world.start_agent()
        await stand.wait_told(*ids)
        told = await read(world)
        assert (told["ci_storage_untold"], told["ci_storage_failing_seconds"]) == (0, 0)


async def test_a_line_that_is_full_takes_no_more(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """What there is no room for waits there."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(5)]
        await world.start_server(**SETTINGS, maxWaitingBuilds=2)
        await stand.wait_taken(ids[1])
        await trio.sleep(60)
        assert [await stand.report(id) is not None for id in ids] == [True, True] + [False] * 3
        await world.start_agent()
        assert await stand.wait_over(*ids) == ["Success"] * 5
