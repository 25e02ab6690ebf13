"""Builds of an external storage: taken, begun when a slot is free, told of to their end."""

from __future__ import annotations

import re
from pathlib import Path

import trio
from trio.testing import MockClock

from ci.model import Reason, Status
from ci.storage_api.store import Configuration
from tests.story.external.stand import RED, SETTINGS, open_stand
from tests.story.world import SERVER, World


async def test_what_waits_there_is_built_here(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Oldest first; each is started and finished once, with result, duration and log."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(3)]
        await world.start_server(**SETTINGS)
        await world.start_agent()
        assert await stand.wait_over(*ids) == ["Success"] * 3
        assert set(stand.done.values()) == {1}
        for number, id in enumerate(ids, start=1):
            there, here = stand.build(id), (await world.server.build(number)).build
            assert await stand.wait_taken(id) == number
            assert there.duration is not None
            assert 3000 <= there.duration < 4000
            assert stand.storage.log(id) == "one\ntwo\n"
            assert there.start is not None
            assert here.repository_url == "https://github.com/owner/name"
            assert here.asked_by == "the storage API"
        starts = [str(stand.build(id).start) for id in ids]
        assert starts == sorted(starts)
        assert await stand.wait_told(*ids) == ["", "", ""]


async def test_a_red_build_is_told_as_fail(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """With the sentence of an error that has no exit code, too."""
    async with open_stand(world, tmp_path) as stand:
        stand.configure(command=RED)
        red = stand.request()
        await world.start_server(**SETTINGS)
        await world.start_agent()
        assert await stand.wait_over(red) == ["Fail"]
        assert stand.storage.log(red) == "no\n"


async def test_nothing_is_begun_before_a_slot_is_free(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It waits in our line, and there for all to see; what we are asked for goes on."""
    async with open_stand(world, tmp_path) as stand:
        ids = [stand.request() for _ in range(3)]
        await world.start_server(**SETTINGS)
        numbers = [await stand.wait_taken(id) for id in ids]
        await trio.sleep(60)
        assert {stand.build(id).status for id in ids} == {"Waiting"}
        views = [await world.server.build(number) for number in numbers]
        assert [view.queue_position for view in views] == [1, 2, 3]
        own = await world.submit("echo own")
        await world.start_agent()
        await world.wait_build(own)
        assert await stand.wait_over(*ids) == ["Success"] * 3


async def test_a_storage_that_is_away_holds_up_nobody_else(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A build that was taken waits for its start to be heard there; our own ones run."""
    async with open_stand(world, tmp_path) as stand:
        id = stand.request()
        others = [stand.request() for _ in range(3)]
        await world.start_server(**SETTINGS)
        number = await stand.wait_taken(id)
        await stand.wait_taken(others[-1])
        stand.go()
        await world.start_agent()
        own = await world.submit("echo own")
        assert (await world.wait_build(own)).build.status is Status.SUCCESS
        await trio.sleep(3600)
        assert (await world.server.build(number)).build.status is Status.WAITING
        stand.come()
        await stand.wait_status(id, "InProgress", limit_s=120)
        assert {stand.build(other).status for other in others} == {"Waiting"}, "one slot"
        assert await stand.wait_over(id, *others, limit_s=120) == ["Success"] * 4
        assert set(stand.done.values()) == {1}


async def test_canceled_there_while_it_waits_here(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It is not built, and says why."""
    async with open_stand(world, tmp_path) as stand:
        id = stand.request()
        await world.start_server(**SETTINGS)
        number = await stand.wait_taken(id)
        stand.storage.cancel(id)
        build = (await world.wait_build(number, limit_s=60)).build
        assert (build.status, build.reason) == (Status.CANCELED, Reason.CANCELED)
        assert build.message == "It was canceled in the storage API."
        assert await stand.wait_told(id) == [build.message]


async def test_canceled_there_while_it_runs_here(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Its processes are ended; no finish is sent."""
    async with open_stand(world, tmp_path) as stand:
        stand.configure(command="sleep 600")
        id = stand.request()
        await world.start_server(**SETTINGS)
        await world.start_agent()
        number = await stand.wait_taken(id)
        await world.wait_build(number, Status.RUNNING)
        stand.storage.cancel(id)
        build = (await world.wait_build(number, limit_s=60)).build
        assert build.status is Status.CANCELED
        await trio.sleep(60)
        assert "build/finish" not in {path for _, path in stand.asked}


async def test_canceled_here(world: World, autojump_clock: MockClock, tmp_path: Path) -> None:
    """Whether it waits or runs, it is canceled there."""
    async with open_stand(world, tmp_path) as stand:
        stand.configure(command="sleep 600")
        runs, waits = stand.request(), stand.request()
        await world.start_server(**SETTINGS)
        await world.start_agent()
        await stand.wait_status(runs, "InProgress")
        for id in (waits, runs):
            await world.server.cancel(await stand.wait_taken(id))
        assert await stand.wait_over(runs, waits, limit_s=60) == ["Canceled", "Canceled"]
        assert stand.done["build/start", waits] == 0


async def test_another_configuration_drops_what_waits(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Only builds of the present one are built."""
    async with open_stand(world, tmp_path) as stand:
        id = stand.request()
        await world.start_server(**SETTINGS)
        number = await stand.wait_taken(id)
        stand.configure("owner/other")
        build = (await world.wait_build(number, limit_s=60)).build
        assert build.status is Status.CANCELED
        assert "another configuration" in build.message
        await world.start_agent()
        assert await stand.wait_over(stand.request()) == ["Success"]


async def test_a_storage_without_configuration_has_nothing_to_do(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """As soon as there is one, it is built."""
    async with open_stand(world, tmp_path) as stand:
        stand.storage.forget()
        await world.start_server(**SETTINGS)
        await world.start_agent()
        await trio.sleep(60)
        assert {path for _, path in stand.asked} == {"conf"}
        stand.configure()
        assert await stand.wait_over(stand.request()) == ["Success"]


async def test_what_began_in_a_life_that_is_forgotten_has_failed(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Nobody else would ever end it."""
    async with open_stand(world, tmp_path) as stand:
        id = stand.request()
        stand.storage.start(id, "2030-01-01T00:00:00")
        await world.start_server(**SETTINGS)
        assert await stand.wait_over(id, limit_s=60) == ["Fail"]
        assert "knows nothing of it" in stand.storage.log(id)


async def test_who_shares_a_storage_leaves_what_others_run_alone(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Also what another was faster to start."""
    async with open_stand(world, tmp_path) as stand:
        running, taken = stand.request(), stand.request()
        stand.storage.start(running, "2030-01-01T00:00:00")
        await world.start_server(**SETTINGS, apiShared=True)
        number = await stand.wait_taken(taken)
        stand.storage.start(taken, "2030-01-01T00:00:01")
        await world.start_agent()
        build = (await world.wait_build(number, limit_s=60)).build
        assert build.status is Status.CANCELED
        assert "Another server" in build.message
        await trio.sleep(60)
        assert {stand.build(id).status for id in (running, taken)} == {"InProgress"}


async def test_what_cannot_be_built_is_told_as_fail(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A repository that leads elsewhere, a commit that is an option, a command that is empty."""
    async with open_stand(world, tmp_path) as stand:
        await world.start_server(**SETTINGS)
        await world.start_agent()
        for conf, commit, why in (
            (Configuration("/etc", "make", "main", 0), "main", "owner/name"),
            (Configuration("a/../../b", "make", "main", 0), "main", "owner/name"),
            (Configuration("a/b", " ", "main", 0), "main", "is empty"),
            (Configuration("a/c", "make", "main", 0), "--upload-pack=x", "can't begin with"),
        ):
            stand.storage.configure(conf)
            id = stand.request(commit)
            assert await stand.wait_over(id, limit_s=60) == ["Fail"]
            assert why in stand.storage.log(id)
        assert not world.machine().started


async def test_a_repository_of_ours_is_meant_by_its_name(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Also one that the prefix does not lead to."""
    async with open_stand(world, tmp_path) as stand:
        stand.configure("tools")
        id = stand.request()
        await world.start_server(**SETTINGS, repositories={"tools": "/srv/git/tools"})
        await world.start_agent()
        assert await stand.wait_over(id) == ["Success"]
        build = (await world.server.build(await stand.wait_taken(id))).build
        assert (build.repository, build.repository_url) == ("tools", "/srv/git/tools")


async def _page(world: World, number: int) -> str:
    async with world.network.client(f"http://{SERVER}") as client:
        answer = await client.get(f"/build/{number}", headers={"Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        return answer.text


async def test_the_page_says_where_a_build_came_from_and_what_is_told(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """And while it can't be told: why, how often it was tried, and when it will be."""
    async with open_stand(world, tmp_path) as stand:
        id = stand.request()
        stand.broken[id] = "500 before"
        await world.start_server(**SETTINGS)
        number = await stand.wait_taken(id)
        page = await _page(world, number)
        assert "Build 1 there, by Ada, on <code>topic</code>: “Fix it”." in page
        assert "Its start is told there when an agent has a free slot." in page
        stand.go()
        await world.start_agent()
        await trio.sleep(60)
        page = await _page(world, number)
        assert "Next in line; the storage API has not heard of its start; next try at 00:0" in page
        stand.come()
        await world.wait_build(number, Status.RUNNING)
        assert "Its start was told there." in await _page(world, number)
        await world.wait_build(number)
        await trio.sleep(60)
        version = world.server.version(number)
        page = await _page(world, number)
        assert "Its end is being told there. Not taken yet: build/finish answered 500" in page
        assert re.search(r"tried \d+ times; next try at 00:\d\d:\d\d UTC", page)
        assert "hx-trigger" in page
        del stand.broken[id]
        await stand.wait_told(id)
        assert world.server.version(number) != version
        assert "All of it was told there." in await _page(world, number)
        view = (await world.server.build(number)).external
        assert view is not None
        assert (view.origin.number, view.is_told) == (1, True)


async def test_every_page_says_that_nothing_is_taken(
    world: World, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Once it has lasted, until it is over: a restart of the storage is no news."""
    async with open_stand(world, tmp_path) as stand:
        await world.start_server(**SETTINGS)
        own = await world.submit("echo own")
        await trio.sleep(10)
        stand.go()
        await trio.sleep(20)
        assert world.server.trouble() is None
        await trio.sleep(60)
        words = "Nothing is taken from the storage API now: can&#39;t connect"
        assert words in await _page(world, own)
        stand.failures["build/list"] += ["half before"] * 1000
        stand.come()
        await trio.sleep(120)
        assert "from the storage API now: it answered no JSON" in await _page(world, own)
        stand.failures.clear()
        await trio.sleep(60)
        assert world.server.trouble() is None
