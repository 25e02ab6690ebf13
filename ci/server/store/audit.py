"""Audit: reads a store and says in words what in it can't be. It changes nothing.

The store may be in use meanwhile: everything but the logs is read in one transaction, as it was at
one moment.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, create_engine, func, inspect, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.elements import ColumnElement

from ci.errors import StoreDamaged, StoreError
from ci.model import ATTEMPT_ID, Status, attempt_id
from ci.server.store import removal
from ci.server.store.audit_rows import build_problems, time_problems
from ci.server.store.database import FILE_NAME, snapshot
from ci.server.store.removal import EndedBuild, newest_number
from ci.server.store.tables import SCHEMA, attempts, builds, external_builds, jobs, tallies
from ci.server.store.values import unreadable_values

_RESTORE = "restore a back-up"
_EDITED = f"no version writes this: {_RESTORE}"
_CLOCK = "the server's clock was set back meanwhile; nothing is to be done"
_COUNT_AGAIN = (  # no build is wrong, so no back-up is needed
    "lists tell wrong numbers of builds, and nothing else is wrong; count again with sqlite3: "
    "DELETE FROM tallies; INSERT INTO tallies SELECT repository, repository_url, status, count(*) "
    "FROM builds GROUP BY 1, 2, 3;"
)
_NOT_ALLOWED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. What is no `damage` is only worth a word."""

    what: str
    problem: str
    advice: str
    damage: bool = True

    def __str__(self) -> str:
        """Say it on one line."""
        line = f"{self.what}: {self.problem}; {self.advice}"
        return line if self.damage else f"note: {line}"


@dataclass(frozen=True, slots=True)
class KeptLog:
    """What the store says of a log. Without a size it may have any; without a hash any bytes."""

    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class LogTotals:
    """All logs whose size is known."""

    count: int
    bytes: int
    unhashed: int  # those without a hash


@contextmanager
def open_audit(folder: Path, step: int) -> Iterator[Audit]:
    """Open the store in `folder` for reading only, `step` builds at once.

    Raises StoreDamaged, and StoreError when it can't be read.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        if (folder / "logs").is_dir():
            raise StoreDamaged(f"{path}: is gone, and there are logs beside it; {_RESTORE}")
        raise StoreError(
            f"data folder {folder}: there is no {FILE_NAME} in it; is it the right one?"
        )
    engine = create_engine(
        "sqlite://",
        creator=partial(sqlite3.connect, f"{path.absolute().as_uri()}?mode=ro", uri=True),
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
    )
    try:
        with engine.connect() as connection:
            yield Audit(connection, step)
    except DatabaseError as error:
        # The primary code of SQLite; an error of the module itself has none.
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _NOT_ALLOWED:
            raise StoreError(
                f"{path}: can't be read ({error.orig}); let its owner do it"
            ) from error
        if code in _IN_USE:
            raise StoreError(f"{path}: can't be read now ({error.orig}); try again") from error
        raise StoreDamaged(f"{path}: can't be read ({error.orig}); {_RESTORE}") from error
    except UnicodeDecodeError as error:  # SQLite quotes what it has found in what it says
        raise StoreDamaged(f"{path}: holds words that are no text; {_RESTORE}") from error
    finally:
        engine.dispose()


class Audit:
    """A store that is read through. `builds` and `attempts` count what was seen."""

    def __init__(self, connection: Connection, step: int) -> None:
        self._connection = connection
        self._size = step
        self.builds = 0
        self.attempts = 0
        self.newest = 0  # the highest number that was ever given

    def schema_problem(self) -> Finding | None:
        """Say why the tables can't be read by this version, if so. Raises StoreError when newer."""
        tables = inspect(self._connection).get_table_names()
        if not tables:
            problem = "is empty: there is not one table in it"
            return Finding(FILE_NAME, problem, f"{_RESTORE}, if there ever was a build")
        found = None
        if "alembic_version" in tables:
            query = text("SELECT version_num FROM alembic_version")
            found = self._connection.execute(query).scalar()
        if found == SCHEMA:
            return None
        if found is not None and found > SCHEMA:
            raise StoreError(
                f"the store has schema {found}: check it with the version that wrote it"
            )
        if found in {f"{number:04}" for number in range(1, int(SCHEMA))}:
            problem = f"has schema {found}, this version knows {SCHEMA}"
            return Finding(FILE_NAME, problem, "start the server once, which brings it up to date")
        return Finding(FILE_NAME, f"has schema {found}, which no version ever had", _RESTORE)

    def file_findings(self) -> Iterator[Finding]:
        """Let SQLite look at its pages, indexes and references."""
        for (line,) in self._connection.exec_driver_sql("PRAGMA integrity_check"):
            if line != "ok":
                yield Finding(FILE_NAME, f"SQLite finds: {line}", _RESTORE)
        for table, row, other, _ in self._connection.exec_driver_sql("PRAGMA foreign_key_check"):
            problem = f"row {row} belongs to one of {other} that is not there"
            yield Finding(f"{FILE_NAME}, {table}", problem, _EDITED)

    def value_findings(self) -> Iterator[Finding]:
        """Find the columns with values that can't be read at all."""
        for column, count in unreadable_values(self._connection):
            problem = f"{count} values are not of its kind"
            yield Finding(f"{FILE_NAME}, {column}", problem, _EDITED)
        highest = self._connection.execute(select(func.max(builds.c.number))).scalar()
        for number in {newest_number(self._connection), highest or 0} - {0}:
            if not ATTEMPT_ID.fullmatch(attempt_id(number, 1, 1)):
                problem = f"the number {number} was given, which no build can have"
                yield Finding(f"{FILE_NAME}, builds.number", problem, _EDITED)

    def findings(self) -> Iterator[Finding]:
        """Read everything but the logs, as it is at one moment."""
        with snapshot(self._connection):
            self.newest = newest_number(self._connection)
            for step in self.steps():
                yield from self._step(step)
            yield from self._tally_findings()

    def steps(self) -> list[int]:
        """Return the steps in which there are builds, the first one as 0."""
        step = builds.c.number // self._size
        return list(self._connection.execute(select(step).distinct().order_by(step)).scalars())

    def logs(self, step: int) -> dict[str, KeptLog]:
        """Return what each log in one step must be, by its attempt."""
        rows = self._rows(attempts, attempts.c.build, step)
        return {row.id: KeptLog(row.log_size, row.log_sha256) for row in rows}

    def log_totals(self) -> LogTotals:
        """Count the logs in which something must be."""
        size, sha256 = attempts.c.log_size, attempts.c.log_sha256
        sums = select(func.count(), func.coalesce(func.sum(size), 0), func.count(sha256))
        count, total, hashed = self._connection.execute(sums.where(size > 0)).one()
        return LogTotals(count, total, count - hashed)

    def has_build(self, number: int) -> bool:
        """Whether there is a build of that number now."""
        query = select(builds.c.number).where(builds.c.number == number)
        return self._connection.execute(query).first() is not None

    def has_ended(self, number: int) -> bool:
        """Whether there is a build of that number, and nothing of it is still to come."""
        query = select(builds.c.status).where(builds.c.number == number)
        status = self._connection.execute(query).scalar()
        return status in set(Status) and Status(status).ended

    def ended(self) -> Iterator[EndedBuild]:
        """Return the builds that have ended, newest first."""
        page = removal.ended(self._connection, self._size)
        while page is not None:
            yield from page.builds
            page = removal.ended(self._connection, self._size, below=page.first)

    def _tally_findings(self) -> Iterator[Finding]:
        """Compare the counts that the database keeps with what there is to count."""
        there = _counted(self._connection, builds, func.count())
        kept = _counted(self._connection, tallies, func.sum(tallies.c.builds))
        for key in sorted(there.keys() | kept.keys()):
            count, said = there.get(key, 0), kept.get(key, 0)
            if count != said:
                repository, _, status = key
                problem = (
                    f"{said} builds of {repository} are counted as {status}, there are {count}"
                )
                yield Finding(f"{FILE_NAME}, tallies", problem, _COUNT_AGAIN)

    def _rows(self, table: Table, number: Any, step: int) -> Sequence[Row[Any]]:
        first = step * self._size
        query = select(table).where(number >= first, number < first + self._size)
        return self._connection.execute(query.order_by(*table.primary_key)).all()

    def _step(self, step: int) -> Iterator[Finding]:
        jobs_of: dict[int, list[Row[Any]]] = defaultdict(list)
        for job in self._rows(jobs, jobs.c.build, step):
            jobs_of[job.build].append(job)
        attempts_of: dict[int, list[Row[Any]]] = defaultdict(list)
        for attempt in self._rows(attempts, attempts.c.build, step):
            attempts_of[attempt.build].append(attempt)
        taken = self._rows(external_builds, external_builds.c.build, step)
        phases = {row.build: row.phase for row in taken}
        for build in self._rows(builds, builds.c.number, step):
            self.builds += 1
            tries = sorted(attempts_of[build.number], key=lambda row: (row.job, row.try_number))
            self.attempts += len(tries)
            what = f"build {build.number}"
            if not 0 < build.number <= self.newest:
                yield Finding(what, f"the last number that was given is {self.newest}", _EDITED)
            for problem in build_problems(
                build, jobs_of[build.number], tries, phases.get(build.number)
            ):
                yield Finding(what, problem, _EDITED)
            for problem in time_problems(build, tries):
                yield Finding(what, problem, _CLOCK, damage=False)


def _counted(
    connection: Connection, table: Table, count: ColumnElement[int]
) -> dict[tuple[str, str, str], int]:
    """Return how many builds there are by repository, its URL, and status."""
    key = (table.c.repository, table.c.repository_url, table.c.status)
    rows = connection.execute(select(*key, count).group_by(*key))
    return {(repository, url, status): found for repository, url, status, found in rows}
