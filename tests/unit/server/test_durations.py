"""How long builds of a kind take: what memory says is what a restart would read."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from ci.model import MAX_KIND_CHARS, BuildRequest, Kind, Outcome, Reason, Status
from ci.server.durations import COUNTED, MAX_KINDS, MAX_NEWS, Durations
from ci.server.store.store import News, Store
from tests.unit.server.store.test_store import lease, opened

MAKE = Kind("demo", "make")


async def build(
    store: Store,
    took_s: float | None,
    command: str = "make",
    *,
    repository: str = "demo",
    status: Status = Status.SUCCESS,
) -> None:
    """Let a build run and end."""
    await store.accept(BuildRequest(repository, f"/srv/{repository}", "main", command))
    end = Outcome(status, Reason.EXITED, exit_code=0, duration_s=took_s, log_size=0)
    await store.end((await lease(store)).id, end, delivered=True)


def listen(store: Store) -> Durations:
    """Durations that hear of what ends from now on."""
    durations = Durations(store)
    news = News(waiting=lambda _labels: None, over=lambda _id, _gone: None, green=durations.note)
    store.tell(news)
    return durations


async def test_it_is_the_median_of_the_last_green_ones_of_that_kind(tmp_path: Path) -> None:
    """Neither red ones count, nor others' repositories and commands, nor what nobody measured."""
    async with opened(tmp_path) as store:
        durations = listen(store)
        assert await durations.typical_s(MAKE) is None
        for seconds in (10, 900, 20):
            await build(store, seconds)
        await build(store, 1, status=Status.FAILURE)
        await build(store, 2, "make test")
        await build(store, 3, repository="other")
        await build(store, None)
        for each in (durations, Durations(store)):
            assert await each.typical_s(MAKE) == 20


async def test_what_has_no_history_is_guessed_by_its_repository_and_then_by_all(
    tmp_path: Path,
) -> None:
    """A guess is better than none; where nothing was ever green there is none."""
    new = Kind("demo", "make new")
    async with opened(tmp_path) as store:
        durations = listen(store)
        assert await durations.likely_s(new) is None
        await build(store, 100, repository="other")
        assert await durations.likely_s(new) == 100
        await build(store, 7)
        assert await durations.likely_s(new) == 7
        assert await durations.typical_s(new) is None
        assert await durations.likely_s(MAKE) == await durations.typical_s(MAKE) == 7


async def test_what_is_kept_in_memory_is_what_is_in_the_store(tmp_path: Path) -> None:
    """After any number of builds, whether somebody asked in between or not."""
    took = [float(n * 37 % 101) for n in range(3 * COUNTED)]
    async with opened(tmp_path) as store:
        durations = listen(store)
        for count, seconds in enumerate(took, 1):
            await build(store, seconds)
            if count % 7 == 0:
                expected = median(took[max(0, count - COUNTED) : count])
                assert await durations.typical_s(MAKE) == expected
                assert await durations.likely_s(Kind("demo")) == expected
                assert await Durations(store).typical_s(MAKE) == expected


async def test_what_ends_while_others_are_read_counts_once(tmp_path: Path) -> None:
    """It may be among them already when one hears of it."""
    async with opened(tmp_path) as store:
        durations = listen(store)
        for seconds in (1, 2, 30):
            await build(store, seconds)
        assert await durations.typical_s(MAKE) == 2
        durations.note(3)
        assert await durations.typical_s(MAKE) == 2


async def test_a_script_is_told_from_others_by_its_beginning(tmp_path: Path) -> None:
    """A command may be as long as a file; its kind is not."""
    script = "x" * MAX_KIND_CHARS
    async with opened(tmp_path) as store:
        durations = listen(store)
        await build(store, 5, script + "y" * 90_000)
        kind = Kind("demo", script)
        assert await durations.typical_s(kind) == 5
        await build(store, 7, script + "z")
        assert await durations.typical_s(kind) == await Durations(store).typical_s(kind) == 6


async def test_memory_is_bounded(tmp_path: Path) -> None:
    """By kinds that are asked for, and by builds that nobody asks about."""
    async with opened(tmp_path) as store:
        await build(store, 5)
        durations = listen(store)
        for n in range(MAX_KINDS + 10):
            await durations.typical_s(Kind("demo", f"make {n}"))
        assert len(durations._known) == MAX_KINDS
        for _ in range(3 * MAX_NEWS):
            durations.note(1)
        assert len(durations._news) <= MAX_NEWS
        assert await durations.typical_s(MAKE) == 5
