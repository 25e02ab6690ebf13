"""Storage: the configuration and its builds, in one SQLite file. One method = one transaction.

What was answered is on disk. Each change of a status is one conditional UPDATE, so of two starts
of one build one wins.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from ci.errors import CIError

FILE_NAME: Final = "storage.sqlite3"
MAX_INT32: Final = 2**31 - 1

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS configuration (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL, repo_name TEXT NOT NULL, build_command TEXT NOT NULL,
    main_branch TEXT NOT NULL, period INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS builds (
    id TEXT PRIMARY KEY, configuration TEXT NOT NULL, number INTEGER NOT NULL,
    message TEXT NOT NULL, commit_hash TEXT NOT NULL, branch TEXT NOT NULL, author TEXT NOT NULL,
    status TEXT NOT NULL, start TEXT, duration INTEGER, log TEXT NOT NULL DEFAULT '',
    UNIQUE (configuration, number)
);
"""


class NoSuchBuild(CIError):
    """No build has this id."""


class NotNow(CIError):
    """Its state does not allow that."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is built. `period` are minutes between two looks for new commits; 0 = none."""

    repo_name: str
    build_command: str
    main_branch: str
    period: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of a commit that is to be built."""

    message: str
    commit_hash: str
    branch: str
    author: str


@dataclass(frozen=True, slots=True)
class StoredBuild:
    """A build; `start` is UTC without a zone, `duration` is whatever its builder has told."""

    id: str
    configuration: str
    number: int
    message: str
    commit_hash: str
    branch: str
    author: str
    status: str
    start: str | None
    duration: int | None


_BUILD: Final = ", ".join(StoredBuild.__slots__)


@contextmanager
def open_storage(folder: Path) -> Iterator[Storage]:
    """Open the store in `folder`, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / FILE_NAME, check_same_thread=False)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut
        connection.executescript(_TABLES)
        yield Storage(connection)


class Storage:
    """Everything that the calls ask for. One at a time: there is one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def configuration(self) -> Configuration | None:
        """Return what is configured, if anything is."""
        row = self._connection.execute(
            "SELECT repo_name, build_command, main_branch, period, id FROM configuration"
        ).fetchone()
        return Configuration(*row) if row else None

    def configure(self, wanted: Configuration) -> None:
        """Change the configuration; another repository begins a new history, under a new id."""
        with self._connection:
            there = self.configuration()
            same = there is not None and there.repo_name == wanted.repo_name
            if not same:
                self._connection.execute("DELETE FROM builds")
            self._connection.execute(
                "INSERT OR REPLACE INTO configuration VALUES (1, ?, ?, ?, ?, ?)",
                (
                    there.id if there and same else str(uuid4()),
                    wanted.repo_name,
                    wanted.build_command,
                    wanted.main_branch,
                    wanted.period,
                ),
            )

    def forget(self) -> None:
        """Remove the configuration and all builds."""
        with self._connection:
            self._connection.execute("DELETE FROM builds")
            self._connection.execute("DELETE FROM configuration")

    def builds(self, offset: int, limit: int) -> list[StoredBuild]:
        """Return a page of the builds, newest first."""
        return [
            StoredBuild(*row)
            for row in self._connection.execute(
                f"SELECT {_BUILD} FROM builds ORDER BY number DESC LIMIT ? OFFSET ?",  # noqa: S608
                (limit, offset),
            )
        ]

    def build(self, id: str) -> StoredBuild:
        """Return a build. Raises NoSuchBuild."""
        row = self._connection.execute(
            f"SELECT {_BUILD} FROM builds WHERE id = ?",  # noqa: S608  our own words
            (id,),
        ).fetchone()
        if row is None:
            raise NoSuchBuild(id)
        return StoredBuild(*row)

    def log(self, id: str) -> str:
        """Return the log that came with the end of a build. Raises NoSuchBuild."""
        row = self._connection.execute("SELECT log FROM builds WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise NoSuchBuild(id)
        return str(row[0])

    def request(self, wanted: Request) -> StoredBuild:
        """Add a build that waits. Raises NotNow when nothing is configured."""
        there = self.configuration()
        if there is None:
            raise NotNow("nothing is configured")
        id = str(uuid4())
        with self._connection:
            self._connection.execute(
                "INSERT INTO builds (id, configuration, number, message, commit_hash, branch,"
                " author, status) SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, 'Waiting'"
                " FROM builds WHERE configuration = ?",
                (
                    id,
                    there.id,
                    wanted.message,
                    wanted.commit_hash,
                    wanted.branch,
                    wanted.author,
                    there.id,
                ),
            )
        return self.build(id)

    def start(self, id: str, start: str) -> None:
        """Begin a build that waits. Raises NoSuchBuild, NotNow."""
        self._change(id, "status = 'InProgress', start = ?", (start,), "Waiting")

    def finish(self, id: str, duration: int, *, success: bool, log: str) -> None:
        """End a build that is in progress. Raises NoSuchBuild, NotNow."""
        status = "Success" if success else "Fail"
        changes = "status = ?, duration = ?, log = ?"
        self._change(id, changes, (status, duration, log), "InProgress")

    def cancel(self, id: str) -> None:
        """Cancel a build that waits or is in progress. Raises NoSuchBuild, NotNow."""
        self._change(id, "status = 'Canceled'", (), "Waiting", "InProgress")

    def _change(self, id: str, changes: str, values: tuple[Any, ...], *before: str) -> None:
        legal = ", ".join("?" * len(before))
        with self._connection:
            done = self._connection.execute(
                f"UPDATE builds SET {changes} WHERE id = ? AND status IN ({legal})",  # noqa: S608
                (*values, id, *before),
            )
        if not done.rowcount:
            raise NotNow(f"build {id} is {self.build(id).status}")
