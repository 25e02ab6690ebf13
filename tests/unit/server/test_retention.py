"""Retention: what no rule keeps goes, nothing else does, and a crash in between is mended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ci.errors import NotFound, StoreFailed
from ci.model import Agent, BuildRequest, Outcome, Reason, Status
from ci.server.logs import Logs
from ci.server.retention import BATCH, Retention
from ci.server.rules import Rules
from ci.server.store.store import Store, open_store
from ci.server.views import BuildFilter

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
AGENT = Agent("one", "h", 1, 1, (), "0", "b", "h", True, False, NOW, NOW)


RED, GREEN = Status.FAILURE, Status.SUCCESS


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
        await _build(store, logs)
        await store.accept(BuildRequest("demo", "/x", "main", "true"))
        later = NOW + timedelta(days=1000)
        await Retention(store, logs, Rules(1, 1, 1), lambda: later).run_round()
        assert await _numbers(store) == [4, 3, 1]
        await store.remove([1, 4])
        assert await _numbers(store) == [4, 3, 1]


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


@pytest.mark.parametrize("page", [1, 2, 3, 7, 1000])
async def test_in_whatever_pieces_a_history_is_read_the_same_goes(
    tmp_path: Path, page: int
) -> None:
    """Also over gaps of many numbers, and over pages in which nothing has ended."""
    async with _opened(tmp_path) as (store, logs):
        for count in range(1, 24):
            status = {0: GREEN, 1: RED, 2: Status.RUNNING}[count % 3]
            await _build(store, logs, status, repository="demo" if count % 2 else "other")
        await store.remove([4, 6, 7, 9, 10, 12, 13])
        await Retention(store, logs, Rules(3, log_bytes=250), lambda: NOW, page).run_round()
        running = [2, 5, 8, 11, 14, 17, 20, 23]
        kept = {"demo": [21, 19, 15], "other": [22, 18, 16]}
        assert await _numbers(store) == sorted(running + kept["demo"] + kept["other"], reverse=True)


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


async def test_logs_without_a_build_go_also_when_no_build_can(tmp_path: Path) -> None:
    """What they free may be what the store needs, to remove the builds."""
    async with _opened(tmp_path) as (store, logs):
        for _ in range(3):
            await _build(store, logs)
        await store.remove([1])
        connection = store._writer._connection
        connection.exec_driver_sql("PRAGMA query_only = 1")
        connection.rollback()
        with pytest.raises(StoreFailed):
            await Retention(store, logs, Rules(builds=1), lambda: NOW).run_round()
        assert _files(tmp_path) == ["2.1.1", "3.1.1"]
