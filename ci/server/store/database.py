"""Opens the SQLite file: its settings, its schema brought up to date."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Connection, create_engine, event, inspect, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from ci.errors import StoreError, StoreFailed
from ci.server.store.tables import SCHEMA, metadata

FILE_NAME = "ci.sqlite3"
log = structlog.get_logger()

_BUSY_MS = 10_000  # waits so long for another program, such as a back-up, that holds the file


@dataclass(frozen=True, slots=True)
class Database:
    """One connection that writes and one that reads beside it; neither waits for the other."""

    writer: Connection
    reader: Connection
    path: Path
    file: os.stat_result  # of what is open, which somebody may remove or replace

    def check_in_place(self) -> None:
        """Return if the next start would find what is written now. Raises StoreFailed."""
        try:
            there = self.path.stat()
        except OSError as error:
            raise StoreFailed(f"{self.path}: {error.strerror}") from error
        if not os.path.samestat(there, self.file):
            raise StoreFailed(f"{self.path} was replaced under the server")

    def close(self) -> None:
        """Close both, and with the last one the write-ahead log."""
        for connection in (self.reader, self.writer):
            connection.close()
            connection.engine.dispose()


def open_database(folder: Path) -> Database:
    """Open, make or upgrade the database in `folder`. Raises StoreError."""
    with ExitStack() as opened:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / FILE_NAME
            writer = _connection(path, opened, writes=True)
            _upgrade(writer, path)
            _check_tables(writer)
            writer.commit()
            reader = _connection(path, opened, writes=False)
            database = Database(writer, reader, path, path.stat())
        except (OSError, DatabaseError, sqlite3.Error) as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(
                f"data folder {folder}: can't be used ({cause}); mend that, or restore a back-up"
            ) from error
        opened.pop_all()  # it is the caller's now
        return database


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Let all queries of a reading connection see the same moment: each alone sees its own."""
    connection.exec_driver_sql("BEGIN")
    try:
        yield
    finally:
        file = connection.connection.driver_connection
        if file is not None and file.in_transaction:  # a disk that failed has ended it
            connection.exec_driver_sql("COMMIT")


def _connection(path: Path, opened: ExitStack, *, writes: bool) -> Connection:
    engine = create_engine(
        "sqlite://",
        creator=partial(_open_file, path),
        poolclass=QueuePool,  # as for any file; the URL does not tell that this is one
        isolation_level=None if writes else "AUTOCOMMIT",
    )
    opened.callback(engine.dispose)
    if writes:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return opened.enter_context(engine.connect())


def _open_file(path: Path) -> sqlite3.Connection:
    """Open the file as we want it: transactions begin where we say so, commits are durable."""
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,  # worker threads use it, one at a time
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _upgrade(connection: Connection, path: Path) -> None:
    """Run the migrations that are missing, all in the one transaction that is open.

    Alembic is imported only when there are any: 90 ms.
    """
    found = None
    if inspect(connection).has_table("alembic_version"):
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found == SCHEMA:
        return
    if found is not None and found > SCHEMA:
        raise StoreError(
            f"the store has schema {found}, this version knows {SCHEMA}: "
            "it was written by a newer version; start that one, or restore a back-up"
        )
    if found is not None:  # it may be large, and nobody is answered meanwhile
        log.info(
            "store upgrading",
            path=str(path),
            found=found,
            schema=SCHEMA,
            next="this may take a minute; the server answers when it is done",
        )
    from alembic import command  # noqa: PLC0415  see the docstring
    from alembic.config import Config  # noqa: PLC0415  as above
    from alembic.util import CommandError  # noqa: PLC0415  as above

    config = Config()
    config.set_main_option("script_location", "ci.server.store:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"the store has schema {found}, which no version ever had; restore a back-up"
        ) from error


def _check_tables(connection: Connection) -> None:
    """Make sure that the tables are there: the schema's name alone proves nothing."""
    for table in metadata.sorted_tables:
        connection.execute(select(table).limit(0))
