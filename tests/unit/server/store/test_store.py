"""The store: what it has answered is there, however the process ends, and changes once."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DatabaseError
from structlog.testing import capture_logs

import ci.server.store.migrations
from ci.errors import Conflict, GivenUp, NotFound, StoreError, StoreFailed
from ci.model import (
    Agent,
    Attempt,
    BuildRequest,
    CommitInfo,
    Outcome,
    Reason,
    Status,
)
from ci.server.store.database import FILE_NAME, open_database
from ci.server.store.store import News, Store, open_store
from ci.server.store.tables import SCHEMA, metadata
from ci.server.views import BuildFilter

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
GOOD = Outcome(Status.SUCCESS, Reason.EXITED, exit_code=0, duration_s=1.25, log_size=0)
LOST = Outcome(Status.ERROR, Reason.AGENT_LOST, "Agent one was lost.")
REQUEST = BuildRequest("demo", "/srv/demo", "main", "make test")
AGENT = Agent("one", "h", 1, 1, ("gpu",), "0", "b", "h", True, False, NOW, NOW)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    """Open a store with one agent, its clock standing still."""
    async with open_store(folder, lambda: NOW) as store:
        await store.save_agent(AGENT)
        yield store


async def lease(store: Store) -> Attempt:
    """Lease the next job, which must be there."""
    lease = await store.lease("one")
    assert lease is not None
    return lease.attempt


async def test_what_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    """Builds, attempts and agents outlive the process, with exact times."""
    async with opened(tmp_path) as store:
        build = await store.accept(REQUEST)
        attempt = await lease(store)
    async with open_store(tmp_path, lambda: NOW) as store:
        again = await store.build(build.number)
        assert again is not None
        assert (again.status, again.created_at, again.agent) == (Status.RUNNING, NOW, "one")
        assert await store.held("one") == (attempt,)
        assert await store.agents() == (AGENT,)


async def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    """Not even the number of a build whose row is gone."""
    async with opened(tmp_path) as store:
        assert [(await store.accept(REQUEST)).number for _ in range(3)] == [1, 2, 3]
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("DELETE FROM jobs")
        connection.execute("DELETE FROM builds")
    connection.close()
    async with opened(tmp_path) as store:
        assert (await store.accept(REQUEST)).number == 4


async def test_many_writers_share_commits(tmp_path: Path) -> None:
    """What comes in while a commit waits for the disk goes together into the next."""
    async with opened(tmp_path) as store:
        before = store.version
        numbers = []

        async def accept() -> None:
            numbers.append((await store.accept(REQUEST)).number)

        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(accept)
        assert sorted(numbers) == list(range(1, 301))
        assert store.version - before < 30


async def test_one_that_fails_does_not_undo_its_neighbours(tmp_path: Path) -> None:
    """In one commit each piece of work stands or falls alone."""
    async with opened(tmp_path) as store:
        failures = []

        async def cancel_nothing() -> None:
            try:
                await store.cancel(77)
            except NotFound as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(store.accept, REQUEST)
                nursery.start_soon(cancel_nothing)
        assert len(failures) == 5
        assert (await store.unfinished())[Status.WAITING] == 5


async def test_a_full_disk_is_said_and_passes(tmp_path: Path) -> None:
    """Nothing of a refused write stays; the next one works when there is room again."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        connection = store._writer._connection
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.rollback()
        big = BuildRequest("demo", "/srv/demo", "main", "x" * 1_000_000)
        with pytest.raises(StoreFailed, match="full"):
            await store.accept(big)
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        connection.rollback()
        assert (await store.accept(big)).number == 2
        assert (await store.unfinished())[Status.WAITING] == 2


async def test_a_full_disk_is_said_to_everybody_who_shared_the_commit(tmp_path: Path) -> None:
    """Each of those who wrote at once hears StoreFailed, and not only the first one."""
    async with opened(tmp_path) as store:
        connection = store._writer._connection
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.rollback()
        told: list[StoreFailed] = []

        async def accept() -> None:
            try:
                await store.accept(BuildRequest("demo", "/srv/demo", "main", "x" * 1_000_000))
            except StoreFailed as error:
                told.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(accept)
        assert len(told) == 5
        assert len(set(map(id, told))) == 5, "each has a traceback of its own"


async def test_what_follows_a_commit_happens_without_its_caller(tmp_path: Path) -> None:
    """A caller who leaves while the disk works takes nothing with him."""
    async with opened(tmp_path) as store:
        told: list[str] = []
        store.tell(
            News(waiting=lambda _labels: told.append("waiting"), over=lambda _id, _gone: None)
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.accept, REQUEST)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        await store.check_writable()
        assert (await store.unfinished())[Status.WAITING] == 1
        assert told == ["waiting"]


async def test_a_writer_that_crashes_leaves_nobody_waiting(tmp_path: Path) -> None:
    """The error ends the block that opened the store; whoever waits is told."""
    told: list[StoreFailed] = []
    with pytest.RaisesGroup(DatabaseError, flatten_subgroups=True):
        async with opened(tmp_path) as store, trio.open_nursery() as nursery:

            def broken(_batch: object) -> None:
                raise DatabaseError("x", None, sqlite3.DatabaseError("malformed"))

            store._writer._commit = broken  # type: ignore[method-assign, assignment]  # as a broken disk would

            async def accept() -> None:
                with trio.CancelScope(shield=True):
                    try:
                        await store.accept(REQUEST)
                    except StoreFailed as error:
                        told.append(error)

            nursery.start_soon(accept)
            nursery.start_soon(accept)
    assert len(told) == 2


async def test_a_read_that_fails_is_said(tmp_path: Path) -> None:
    """As a failure that passes, not as a bug."""
    async with opened(tmp_path) as store:
        store._reader.exec_driver_sql("ALTER TABLE builds RENAME TO elsewhere")
        with pytest.raises(StoreFailed, match="can't be read"):
            await store.build(1)
        with pytest.raises(StoreFailed, match="can't be read"):
            await store.page(BuildFilter(text="x"))


async def test_an_attempt_ends_once(tmp_path: Path) -> None:
    """The first end counts, an identical repeat is fine, anything else is refused."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        attempt = await lease(store)
        assert not (await store.end(attempt.id, GOOD, delivered=True)).again
        assert not (await store.end(attempt.id, GOOD, delivered=True)).again
        for late in (LOST, Outcome(Status.FAILURE, Reason.EXITED, exit_code=1, log_size=0)):
            with pytest.raises(GivenUp):
                await store.end(attempt.id, late, delivered=True)
        with pytest.raises(GivenUp):
            await store.end("9.1.1", GOOD, delivered=True)
        build = await store.build(1)
        assert build is not None
        assert (build.status, build.exit_code, build.duration_s) == (Status.SUCCESS, 0, 1.25)


async def test_a_lost_attempt_is_followed_by_another(tmp_path: Path) -> None:
    """Same number, next try, at the head of the line; the third loss is the end."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        await store.accept(REQUEST)
        for expected in ("1.1.1", "1.1.2", "1.1.3"):
            attempt = await lease(store)
            assert attempt.id == expected
            ended = await store.end(attempt.id, LOST, delivered=True)
        assert not ended.again
        build = await store.build(1)
        assert build is not None
        assert build.status is Status.ERROR
        assert "Three attempts were lost (agents one, one, one)" in build.message
        assert (await lease(store)).id == "2.1.1"


async def test_what_an_agent_lost_is_left_to_its_peers(tmp_path: Path) -> None:
    """As long as there are any, and there is something else for it to do."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        await store.accept(REQUEST)
        await store.end((await lease(store)).id, LOST, delivered=False)
        second = await store.lease("one", has_peers=lambda _labels: True)
        assert second is not None
        assert second.attempt.id == "2.1.1"
        again = await store.lease("one", has_peers=lambda _labels: True)
        assert again is not None
        assert again.attempt.id == "1.1.2"


async def test_an_attempt_that_is_given_up_twice_is_told_of_once(tmp_path: Path) -> None:
    """Heartbeat and time limit may both find it lost: one line, one count."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        id = (await lease(store)).id
        with capture_logs() as lines:
            for _ in range(2):
                await store.end(id, LOST, delivered=False)
    assert [line["event"] for line in lines] == ["attempt given up"]


async def test_a_failing_test_is_not_tried_again(tmp_path: Path) -> None:
    """Only what an agent lost is; the command's own no is final."""
    async with opened(tmp_path) as store:
        for reason in (Reason.EXITED, Reason.TIMEOUT, Reason.CHECKOUT_FAILED, Reason.KILLED):
            await store.accept(REQUEST)
            status = Status.FAILURE if reason is Reason.EXITED else Status.ERROR
            attempt = await lease(store)
            assert not (await store.end(attempt.id, Outcome(status, reason), delivered=True)).again
        assert await store.lease("one") is None


async def test_a_lease_that_was_not_taken_is_undone(tmp_path: Path) -> None:
    """It counts as no attempt, but its id is not used again."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        first = await lease(store)
        told: list[str] = []
        store.tell(
            News(waiting=lambda _labels: told.append("waiting"), over=lambda _id, _gone: None)
        )
        await store.put_back(first.id)
        await store.put_back(first.id)
        assert told == ["waiting"]
        build = await store.build(1)
        assert build is not None
        assert (build.status, build.agent, build.started_at) == (Status.WAITING, None, None)
        assert await store.whole([1, 2]) == {1: (build, [])}
        with pytest.raises(GivenUp):
            await store.end(first.id, GOOD, delivered=True)
        assert (await lease(store)).id == "1.1.2"


async def test_priority_then_age(tmp_path: Path) -> None:
    """The highest priority first, within it the oldest; each is told its place."""
    async with opened(tmp_path) as store:
        for priority in (0, 5, -1, 5):
            await store.accept(BuildRequest("demo", "/srv/demo", "main", "x", priority))
        assert store.places([1, 2, 3, 4, 99]) == {2: 1, 4: 2, 1: 3, 3: 4}
        assert store.places([3]) == {3: 4}
        assert [(await lease(store)).build for _ in range(4)] == [2, 4, 1, 3]


async def test_what_is_moved_to_the_front_is_next_whatever_happens(tmp_path: Path) -> None:
    """Whatever priorities others have; also when it was taken and lost, and after a restart."""
    async with opened(tmp_path) as store:
        for priority in (0, 9, 1000, 0):
            await store.accept(BuildRequest("demo", "/srv/demo", "main", "x", priority))
        await store.move_to_front(4)
        assert (await lease(store)).id == "4.1.1"
        with pytest.raises(Conflict, match="build 4 does not wait: running"):
            await store.move_to_front(4)
        await store.end("4.1.1", LOST, delivered=True)
        assert store.places([3, 4]) == {4: 1, 3: 2}
        await store.move_to_front(1)
        with pytest.raises(NotFound):
            await store.move_to_front(5)
    async with opened(tmp_path) as store:
        assert [(await lease(store)).build for _ in range(4)] == [1, 4, 3, 2]
        build = await store.build(4)
        assert build is not None
        assert build.priority == 0, "as asked, so that to run it again is no privilege"


async def test_cancel(tmp_path: Path) -> None:
    """A canceled build is never leased, its attempt is over, a second cancel is refused."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        await store.accept(REQUEST)
        told: list[tuple[str, bool]] = []
        store.tell(News(waiting=lambda _labels: None, over=lambda *said: told.append(said)))
        await store.cancel(2)
        attempt = await lease(store)
        await store.cancel(1)
        assert told == [(attempt.id, False)]
        assert await store.lease("one") is None
        with pytest.raises(Conflict):
            await store.cancel(1)


async def test_pages_by_number_and_filters(tmp_path: Path) -> None:
    """Newest first, page after page without a gap; filters combine; text is taken as it is."""
    async with opened(tmp_path) as store:
        for number in range(1, 8):
            command = "odd 100%" if number % 2 else "even_x"
            name = "demo" if number < 5 else "tools"
            await store.accept(BuildRequest(name, f"/srv/{name}", "main", command))
        attempt = await lease(store)
        await store.note_commit(attempt.id, CommitInfo("a" * 40, "Fix it", "Ada", "main"))

        first = await store.page(BuildFilter(limit=3))
        assert [b.number for b in first.builds] == [7, 6, 5]
        assert first.next == 5
        second = await store.page(BuildFilter(limit=4, before=first.next))
        assert [b.number for b in second.builds] == [4, 3, 2, 1]
        assert second.next is None

        async def numbers(**wanted: object) -> list[int]:
            found = await store.page(BuildFilter(**wanted))  # type: ignore[arg-type]  # by name
            return [build.number for build in found.builds]

        assert await numbers(status=Status.RUNNING) == [1]
        assert await numbers(repository="tools") == [7, 6, 5]
        assert await numbers(repository="/srv/tools") == [7, 6, 5]
        assert await numbers(repository="tools", text="odd") == [7, 5]
        assert await numbers(text="100%") == [7, 5, 3, 1]
        assert await numbers(text="%") == [7, 5, 3, 1]
        assert await numbers(text="n_x") == [6, 4, 2]
        assert await numbers(text="fix IT") == [1]
        assert await numbers(text="aaaaaaa") == [1]
        assert await numbers(text="'; DROP TABLE builds") == []


async def test_a_pause_is_remembered_when_the_agent_registers_again(tmp_path: Path) -> None:
    """What the agent says of itself changes; what people said of it stays."""
    async with opened(tmp_path) as store:
        assert (await store.pause_agent("one", paused=True)).paused
        assert (await store.save_agent(AGENT)).paused
        with pytest.raises(NotFound):
            await store.pause_agent("nobody", paused=True)


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # they are compared as text
def test_migrations_make_the_tables_that_the_code_has(tmp_path: Path) -> None:
    """No column is in one and not in the other, and SCHEMA names the newest migration."""
    database = open_database(tmp_path)
    fresh = create_engine("sqlite://")
    try:
        context = MigrationContext.configure(database.writer)
        assert compare_metadata(context, metadata) == []
        with fresh.connect() as connection:
            metadata.create_all(connection)
            assert _indexes(database.writer) == _indexes(connection)
    finally:
        fresh.dispose()
        database.close()
    folder = Path(ci.server.store.migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_heads() == [SCHEMA]


def _indexes(connection: Connection) -> dict[str, str]:
    """The statement that makes each index, however it is written; Alembic skips some."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
    found = {name: re.sub(r"attempts\.|builds\.|jobs\.", "", sql) for name, sql in rows if sql}
    return {name: "".join(sql.split()).lower() for name, sql in found.items()}


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Neither a file where the folder should be, nor garbage, nor a newer version is opened."""
    (tmp_path / "file").write_text("")
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / FILE_NAME).write_bytes(b"no database" * 1000)
    for name in ("file", "garbage"):
        with pytest.raises(StoreError, match=name):
            open_database(tmp_path / name)
    open_database(tmp_path / "newer").close()
    with sqlite3.connect(tmp_path / "newer" / FILE_NAME) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        open_database(tmp_path / "newer")
