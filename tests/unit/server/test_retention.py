"""Retention: what no rule keeps goes, nothing else does, and a crash in between is mended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.config import ServerConfig
from ci.errors import NotFound, StoreFailed
from ci.model import Agent, BuildRequest, Outcome, Reason, Status
from ci.server.logs import Logs
from ci.server.retention import BATCH, Retention, Rules, no_longer_kept
from ci.server.store.removal import EndedBuild
from ci.server.store.store import Store, open_store
from ci.server.views import BuildFilter

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
AGENT = Agent("one", "h", 1, 1, (), "0", "b", "h", True, False, NOW, NOW)


def _history(*statuses: Status) -> list[EndedBuild]:
    """Builds that ended one each day, the newest today."""
    count = len(statuses)
    return [
        EndedBuild(count - ago, status, NOW - timedelta(days=ago))
        for ago, status in enumerate(statuses)
    ]


RED, GREEN = Status.FAILURE, Status.SUCCESS


@pytest.mark.parametrize(
    ("rules", "statuses", "gone"),
    [
        (Rules(builds=2), (RED, RED, RED, RED), [2, 1]),
        (Rules(builds=2), (RED, RED, GREEN, RED), [1]),
        (Rules(builds=1), (GREEN, GREEN), [1]),
        (Rules(days=1.5), (RED, RED, RED, RED), [2, 1]),
        (Rules(days=1.5), (RED, RED, RED, GREEN), [2]),
        (Rules(days=2), (RED, RED, RED), []),
        (Rules(log_bytes=200), (RED, RED, RED, RED), [2, 1]),
        (Rules(log_bytes=200), (RED, RED, GREEN, RED), [1]),
        (Rules(log_bytes=1), (RED, RED), [1]),
        (Rules(builds=3, days=0.5), (RED, RED, RED, RED), [3, 2, 1]),
        (Rules(builds=1, days=9, log_bytes=10**9), (GREEN, RED), [1]),
        (Rules(), (RED,) * 50, []),
    ],
)
def test_a_build_goes_as_soon_as_one_rule_says_so(
    rules: Rules, statuses: tuple[Status, ...], gone: list[int]
) -> None:
    """The oldest go first; each log has 100 bytes; the last green one stays."""
    history = _history(*statuses)
    sizes = {build.number: 100 for build in history}
    assert list(no_longer_kept(rules, history, sizes, NOW)) == gone


@given(
    statuses=st.lists(st.sampled_from([RED, GREEN, Status.CANCELED, Status.ERROR]), max_size=12),
    rules=st.builds(
        Rules,
        st.none() | st.integers(1, 12),
        st.none() | st.floats(0.1, 12),
        st.none() | st.floats(1, 999),
    ),
)
def test_whatever_the_rules_are_the_last_green_one_stays(
    statuses: list[Status], rules: Rules
) -> None:
    """And once they have been kept to, there is nothing more to remove."""
    history = _history(*statuses)
    sizes = {build.number: 37 * build.number for build in history}
    gone = set(no_longer_kept(rules, history, sizes, NOW))
    greens = [build.number for build in history if build.status is GREEN]
    assert not greens or max(greens) not in gone
    left = [build for build in history if build.number not in gone]
    assert not set(no_longer_kept(rules, left, sizes, NOW))


def test_without_settings_all_is_kept() -> None:
    """Nobody loses a build who has not asked for it."""
    assert Rules.of(ServerConfig.check({})).keep_all
    asked = ServerConfig.check({"keepBuilds": 5, "keepDays": 1.5, "keepGigabytes": 0.25})
    assert Rules.of(asked) == Rules(5, 1.5, 250_000_000)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[tuple[Store, Logs]]:
    async with open_store(folder, lambda: NOW) as store:
        await store.save_agent(AGENT)
        yield store, Logs(folder / "logs")


async def _build(store: Store, logs: Logs, status: Status = RED, repository: str = "demo") -> int:
    """Let a build be made that prints 100 bytes."""
    number = (await store.accept(BuildRequest(repository, "/x", "main", "true"))).number
    lease = await store.lease("one")
    assert lease is not None
    await logs.append(lease.attempt.id, 0, b"x" * 100)
    if status is not Status.RUNNING:
        outcome = Outcome(status, Reason.EXITED, log_size=100)
        await store.end(lease.attempt.id, outcome, delivered=True)
    return number


async def _numbers(store: Store) -> list[int]:
    return [build.number for build in (await store.page(BuildFilter())).builds]


def _files(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("logs/*/*"))


async def test_each_repository_is_kept_to_the_rules_by_itself(tmp_path: Path) -> None:
    """A busy one does not push out the builds of another; logs go with their builds."""
    async with _opened(tmp_path) as (store, logs):
        quiet = await _build(store, logs, repository="quiet")
        for _ in range(4):
            await _build(store, logs)
        await Retention(store, logs, Rules(builds=2), lambda: NOW).run_round()
        assert await _numbers(store) == [5, 4, quiet]
        assert _files(tmp_path) == ["1.1.1", "4.1.1", "5.1.1"]


async def test_what_has_not_ended_never_goes(tmp_path: Path) -> None:
    """Neither what runs nor what waits, however old, nor does it count."""
    async with _opened(tmp_path) as (store, logs):
        await _build(store, logs, Status.RUNNING)
        await _build(store, logs)
        await store.accept(BuildRequest("demo", "/x", "main", "true"))
        later = NOW + timedelta(days=1000)
        await Retention(store, logs, Rules(1, 1, 1), lambda: later).run_round()
        assert await _numbers(store) == [3, 1]
        await store.remove([1, 3])
        assert await _numbers(store) == [3, 1]


async def test_the_disk_says_how_long_logs_are(tmp_path: Path) -> None:
    """Also that of a canceled build, whose size nobody has told the store."""
    async with _opened(tmp_path) as (store, logs):
        await _build(store, logs)
        canceled = await _build(store, logs, Status.RUNNING)
        await store.cancel(canceled)
        await Retention(store, logs, Rules(log_bytes=100), lambda: NOW).run_round()
        assert await _numbers(store) == [canceled]


async def test_a_crash_between_rows_and_logs_is_mended_by_the_next_round(tmp_path: Path) -> None:
    """Logs without a build go; what is no log of ours, or newer than the store, is left alone."""
    async with _opened(tmp_path) as (store, logs):
        for _ in range(3):
            await _build(store, logs)
        await store.remove([1, 2])
        for name in ("notes.txt", "1.1.log", "99.1.1.log", "1.1.1.log.gz"):
            (tmp_path / "logs" / "000000" / name).write_text("")
    async with _opened(tmp_path) as (store, logs):
        await Retention(store, logs, Rules(builds=9), lambda: NOW).run_round()
        assert _files(tmp_path) == ["1.1", "1.1.1.log", "3.1.1", "99.1.1", "notes"]
        assert await _build(store, logs) == 4


async def test_many_go_in_small_pieces(tmp_path: Path) -> None:
    """No transaction removes more than a hundred, so that nobody waits for it."""
    async with _opened(tmp_path) as (store, logs):
        for _ in range(2 * BATCH + 2):
            await store.cancel((await store.accept(BuildRequest("demo", "/x", "m", "x"))).number)
        before = store.version
        await Retention(store, logs, Rules(builds=1), lambda: NOW).run_round()
        assert await _numbers(store) == [2 * BATCH + 2]
        assert store.version - before == 3


async def test_a_number_stays_given_when_its_build_is_gone(tmp_path: Path) -> None:
    """Over a restart, too; and whoever asks is told where it went."""
    async with _opened(tmp_path) as (store, logs):
        for _ in range(2):
            await _build(store, logs)
        await store.remove([1, 2])
    async with _opened(tmp_path) as (store, logs):
        assert "removed by the rules" in str(await store.not_found(2))
        assert "removed" not in str(await store.not_found(3))
        with pytest.raises(NotFound, match="removed by the rules"):
            await store.cancel(2)
        assert await _build(store, logs) == 3


async def test_a_store_that_cannot_write_stops_the_round_only(tmp_path: Path) -> None:
    """Nothing is half removed: no log goes before its build."""
    async with _opened(tmp_path) as (store, logs):
        await _build(store, logs)
        await _build(store, logs)
        store._writer._ended = True
        with pytest.raises(StoreFailed):
            await Retention(store, logs, Rules(builds=1), lambda: NOW).run_round()
        assert _files(tmp_path) == ["1.1.1", "2.1.1"]
