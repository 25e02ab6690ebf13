"""A page is told of each change to its build, and not of changes to others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ci.model import CommitInfo
from ci.server.store.store import Store
from ci.server.store.versions import KEPT, Versions
from tests.unit.server.store.test_store import GOOD, LOST, REQUEST, lease, opened

FOUND = CommitInfo("f" * 40, "s", "a", "main")
RUNS, WAITS = 1, 2  # the numbers of the two builds in line
CHANGES: dict[str, tuple[int, Callable[[Store], Awaitable[object]]]] = {
    "lease": (WAITS, lease),
    "put back": (RUNS, lambda store: store.put_back("1.1.1")),
    "end": (RUNS, lambda store: store.end("1.1.1", GOOD, delivered=True)),
    "lost": (RUNS, lambda store: store.end("1.1.1", LOST, delivered=False)),
    "commit found": (RUNS, lambda store: store.note_commit("1.1.1", FOUND)),
    "cut": (RUNS, lambda store: store.note_cut("1.1.1", 100)),
    "cancel what runs": (RUNS, lambda store: store.cancel(RUNS)),
    "cancel what waits": (WAITS, lambda store: store.cancel(WAITS)),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_each_change_is_seen_by_the_builds_own_page(tmp_path: Path, change: str) -> None:
    """By the version; that of the other build stays, for its page costs to make."""
    number, do = CHANGES[change]
    other = WAITS if number == RUNS else RUNS
    async with opened(tmp_path) as store:
        for _ in range(2):
            await store.accept(REQUEST)
        await lease(store)
        before = {each: store.version_of(each) for each in (number, other)}
        shown = await store.whole([number])
        await do(store)
        assert await store.whole([number]) != shown
        assert store.version_of(number) != before[number]
        assert store.version_of(other) == before[other]


async def test_a_removed_build_is_told_of(tmp_path: Path) -> None:
    """Whoever has its page open learns that it is gone."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        await lease(store)
        await store.end("1.1.1", GOOD, delivered=True)
        before = store.version_of(1)
        await store.remove([1])
        assert await store.build(1) is None
        assert store.version_of(1) != before


def test_a_version_never_goes_back_and_memory_is_bounded() -> None:
    """A build that has been forgotten may seem changed; it never seems unchanged."""
    versions = Versions()
    seen: dict[int, int] = {}
    for version, number in enumerate([*range(KEPT + 100), 1, 2, 1], start=1):
        versions.note(number, version)
        assert versions.of(number) == version
        for each in (1, 2, 50, KEPT):
            assert versions.of(each) >= seen.get(each, 0)
            seen[each] = versions.of(each)
    assert len(versions._of) == KEPT
