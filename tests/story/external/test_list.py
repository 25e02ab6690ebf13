"""The storage's list is read as far as it has to be, whatever stands in it, however it shifts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ci.model import Status
from tests.story.external.stand import SETTINGS, open_stand
from tests.story.world import World


async def test_a_long_list_is_read_to_its_end(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Pages shift while they are read; later only what is new is looked at."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(60)]
        world.network.on_the_way["after /api/build/list"] = lambda: ids.extend(
            stand.request() for _ in range(3)
        )
        await world.start_server(**SETTINGS)
        await world.start_agent(slots=8)
        await world.wait_count(ids, 63)
        assert await stand.wait_over(*ids) == ["Success"] * 63
        assert set(stand.done.values()) == {1}
        await stand.wait_told(*ids)
        await trio.sleep(30)
        stand.asked.clear()
        await trio.sleep(11)
        paths = Counter(path for _, path in stand.asked)
        assert paths["build/list"] == paths["conf"] >= 2, "one page each time"


async def test_a_build_that_a_page_has_missed_is_taken_with_the_next_look(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Builds may go while the list is read, so that others move up between two pages."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(100)]
        change = stand.storage._connection.execute
        change("UPDATE builds SET status = 'Success' WHERE number <> 48")

        def remove() -> None:
            change("DELETE FROM builds WHERE number > 95")

        def wait_for_the_second_page() -> None:
            world.network.on_the_way["after /api/build/list"] = remove

        world.network.on_the_way["after /api/build/list"] = wait_for_the_second_page
        await world.start_server(**SETTINGS)
        await world.start_agent()
        assert await stand.wait_over(ids[47], limit_s=60) == ["Success"]


async def test_a_storage_that_knows_no_offset_is_read_once(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Though each of its pages is full."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(25)]
        await world.start_server(**SETTINGS)
        await stand.wait_taken(ids[-1])
        stand.knows_offset = False
        await trio.sleep(21)
        paths = Counter(path for _, path in stand.asked)
        assert paths["build/list"] <= 2 * paths["conf"]


async def test_builds_that_cannot_be_read_are_left_out(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Nulls, fields that are unknown, and wrong types: the others are none the worse."""
    async with open_stand(world, tmp_path) as stand:
        bad = stand.request()
        good = stand.request()
        change = stand.storage._connection.execute
        change("UPDATE builds SET status = 'Strange', number = 0 WHERE id = ?", (bad,))
        with capture_logs() as lines:
            await world.start_server(**SETTINGS)
            await world.start_agent()
            assert await stand.wait_over(good) == ["Success"]
            await trio.sleep(600)
        assert await stand.report(bad) is None
        left_out = [line for line in lines if line["event"] == "storage builds left out"]
        assert [line["error"] for line in left_out] == ["status is 'Strange'"]
        assert (await world.server.counts())[Status.SUCCESS] == 1


async def test_a_page_of_builds_that_cannot_be_read_ends_no_look(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """What waits below it is taken; a storage that knows no offset is not asked for ever."""
    async with open_stand(world, tmp_path) as stand:
        waiting = stand.request()
        for _ in range(50):
            stand.request()
        stand.storage._connection.execute("UPDATE builds SET status = 'Error' WHERE number > 1")
        await world.start_server(**SETTINGS)
        await world.start_agent()
        assert await stand.wait_over(waiting, limit_s=60) == ["Success"]
        stand.knows_offset = False
        stand.asked.clear()
        await trio.sleep(60)
        paths = Counter(path for _, path in stand.asked)
        assert paths["conf"] > 1
        assert paths["build/list"] <= 2 * paths["conf"]


async def test_what_others_never_end_is_read_once(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """However many builds there are above it: nothing follows from it."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(428)]
        change = stand.storage._connection.execute
        change("UPDATE builds SET status = 'Success' WHERE number > 3")
        change("UPDATE builds SET status = 'InProgress' WHERE number = 3")
        await world.start_server(**SETTINGS, apiShared=True)
        await world.start_agent()
        assert await stand.wait_over(*ids[:2], limit_s=60) == ["Success"] * 2
        await trio.sleep(60)
        stand.asked.clear()
        await trio.sleep(60)
        paths = Counter(path for _, path in stand.asked)
        assert paths["build/list"] == paths["conf"] >= 10, "one page each time"


async def test_a_long_line_is_not_read_whole_all_the_time(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A call a second; new builds are taken at once, and what was canceled is noticed."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(428)]
        await world.start_server(**SETTINGS)
        await stand.wait_taken(ids[-1])
        await trio.sleep(60)
        stand.asked.clear()
        await trio.sleep(100)
        paths = Counter(path for _, path in stand.asked)
        assert paths["conf"] >= 19, "it looks each five seconds"
        assert paths["build/list"] <= 150
        begin = trio.current_time()
        await stand.wait_taken(stand.request())
        assert trio.current_time() - begin < 7
        number = await stand.wait_taken(ids[0])
        stand.storage.cancel(ids[0])
        await world.wait_build(number, Status.CANCELED, limit_s=30)
