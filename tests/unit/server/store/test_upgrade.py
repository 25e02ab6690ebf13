"""Upgrades: whatever an earlier version wrote is there, and shown, under today's code."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event
from structlog.testing import capture_logs

import ci.server.store.migrations
from ci.errors import StoreError
from ci.server.store.database import FILE_NAME, open_database
from ci.server.store.tables import SCHEMA
from tests.old.folder import OLD, look, unpack

_SCRIPTS = ScriptDirectory(str(Path(ci.server.store.migrations.__file__).parent))
SCHEMAS = sorted(script.revision for script in _SCRIPTS.walk_revisions())


def test_each_schema_has_an_old_folder() -> None:
    """A new migration comes with a folder of its own: `python -m tests.old.make`."""
    assert [folder.name for folder in sorted(OLD.glob("[0-9]*"))] == SCHEMAS


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_nothing_of_an_old_folder_is_lost(schema: str, tmp_path: Path) -> None:
    """Every field that was told then is told now; the pages show every build."""
    then = json.loads((OLD / schema / "seen.json").read_text("utf-8"))
    now = await look(unpack(schema, tmp_path))
    assert len(then["builds"]) == 10
    assert now["logs"] == then["logs"]
    for kind in ("builds", "agents"):
        for old, new in zip(then[kind], now[kind], strict=True):
            assert _known(new, old) == old


def _known(new: Any, old: Any) -> Any:
    """What `new` tells of the fields that `old` has; today there are more."""
    if isinstance(old, dict):
        return {key: _known(new[key], value) for key, value in old.items()}
    if isinstance(old, list):
        return [_known(*pair) for pair in zip(new, old, strict=True)]
    return new


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_log_says_that_a_database_is_upgraded(schema: str, tmp_path: Path) -> None:
    """Before it begins, since nobody is answered meanwhile; not of one that is of today."""
    with capture_logs() as lines:
        open_database(unpack(schema, tmp_path)).close()
        open_database(tmp_path / "new").close()
    told = [(line["event"], line["found"], line["schema"]) for line in lines]
    assert told == ([] if schema == SCHEMA else [("store upgrading", schema, SCHEMA)])


@pytest.mark.parametrize("schema", SCHEMAS)
def test_numbers_go_on_after_an_upgrade(schema: str, tmp_path: Path) -> None:
    """Also after a build whose row is gone: number 11 was given then."""
    database = open_database(unpack(schema, tmp_path))
    try:
        row = database.writer.exec_driver_sql(
            'INSERT INTO builds (repository, repository_url, "commit", command, priority, status,'
            " message, created_at) VALUES ('', '', '', '', 0, 'waiting', '', 0)"
        )
        assert row.lastrowid == 12
    finally:
        database.close()


@pytest.mark.parametrize("schema", [each for each in SCHEMAS if each < "0005"])
def test_only_what_runs_may_still_print_after_an_upgrade(schema: str, tmp_path: Path) -> None:
    """What was canceled before it was told to take no more log."""
    database = open_database(unpack(schema, tmp_path))
    try:
        query = "SELECT id, log_sha256 FROM attempts WHERE log_open"
        assert list(database.reader.exec_driver_sql(query)) == [("8.1.1", None)]
    finally:
        database.close()


@pytest.fixture(params=["", *SCHEMAS])
def crashed(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """Folders as a crash leaves them: one for each statement of an upgrade, right after it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    if request.param:
        unpack(request.param, folder)
    copies: list[Path] = []

    def copy(*_: object) -> None:
        copies.append(tmp_path / f"{len(copies)}")
        shutil.copytree(folder, copies[-1])

    event.listen(Engine, "after_cursor_execute", copy)
    try:
        open_database(folder).close()
    finally:
        event.remove(Engine, "after_cursor_execute", copy)
    return copies


def test_a_crash_within_an_upgrade_is_mended_by_the_next_start(crashed: list[Path]) -> None:
    """All of an upgrade is one transaction: it is done, or it is not begun."""
    assert crashed
    for folder in crashed:
        open_database(folder).close()


def _change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "schema 9999.*newer version"),
        ("UPDATE alembic_version SET version_num = '0000x'", "schema 0000x.*restore a back-up"),
        ("DROP TABLE health", "no such table: health.*restore a back-up"),
        ("ALTER TABLE builds DROP COLUMN subject", "no such column: builds.subject"),
        ("DROP TABLE alembic_version", "table builds already exists.*restore a back-up"),
        ("DELETE FROM alembic_version", "table builds already exists.*restore a back-up"),
    ],
)
def test_a_folder_that_no_version_wrote_is_refused_in_words(
    tmp_path: Path, statement: str, words: str
) -> None:
    """Newer, unknown, or upgraded by half: one line, and the file stays as it is."""
    _change(unpack(SCHEMA, tmp_path), statement)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        before = list(connection.iterdump())
    with pytest.raises(StoreError, match=words):
        open_database(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert list(connection.iterdump()) == before
