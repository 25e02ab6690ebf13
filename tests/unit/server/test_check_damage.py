"""`python -m ci.server check` on files that a disk has damaged, and on those it may not read."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ci.server.check import main
from ci.server.store.database import FILE_NAME
from ci.server.store.tables import SCHEMA
from tests.old.folder import OLD, unpack

Output = pytest.CaptureFixture[str]
SCHEMAS = sorted(path.name for path in OLD.iterdir() if (path / "ci.sql").is_file())
PAGE = 4096  # bytes, as SQLite has it
NOBODY = 65534  # the user that Linux gives to those who are none


@pytest.fixture(params=SCHEMAS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A whole data folder as each version left it."""
    return unpack(request.param, tmp_path)


def _check(folder: Path, output: Output) -> tuple[int, str]:
    """Check a folder; return the exit code and all that was said."""
    output.readouterr()
    code = main(["--data-dir", str(folder)])
    said = output.readouterr()
    return code, said.out + said.err


def _cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(len(content) * share)]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda _: b"", "is empty"),
        (lambda _: b"no database" * 999, "is not a database"),
        (lambda content: b"\0" * PAGE + content[PAGE:], "ci.sqlite3"),
        (lambda content: content[:PAGE], "ci.sqlite3"),
        (_cut(0.3), "ci.sqlite3"),
        (_cut(0.9), "ci.sqlite3"),
    ],
)
def test_a_damaged_database_needs_a_back_up(
    folder: Path, capsys: Output, damage: Callable[[bytes], bytes], words: str
) -> None:
    """Exit code 1; nobody is told to start the server on it."""
    path = folder / FILE_NAME
    path.write_bytes(damage(path.read_bytes()))
    code, said = _check(folder, capsys)
    assert code == 1
    assert words in said
    assert "restore a back-up" in said
    assert "start the server" not in said


def test_a_broken_page_needs_a_back_up(folder: Path, capsys: Output) -> None:
    """Whichever of them it is."""
    path = folder / FILE_NAME
    pages = path.read_bytes()
    assert len(pages) > 4 * PAGE
    for begin in range(0, len(pages), PAGE):
        path.write_bytes(pages[:begin] + b"\xa5" * PAGE + pages[begin + PAGE :])
        code, said = _check(folder, capsys)
        assert code == 1
        assert "restore a back-up" in said


@pytest.mark.parametrize("seed", range(40))
def test_whatever_bytes_change_it_is_said_in_words(folder: Path, capsys: Output, seed: int) -> None:
    """A few bytes anywhere may change nothing that matters; they never break the check."""
    dice = random.Random(seed)
    path = folder / FILE_NAME
    content = bytearray(path.read_bytes())
    for _ in range(dice.choice([1, 10, 300])):
        content[dice.randrange(len(content))] = dice.randrange(256)
    path.write_bytes(content)
    code, said = _check(folder, capsys)
    assert code in (0, 1, 2)
    assert said


def test_a_database_that_is_gone_needs_a_back_up(folder: Path, capsys: Output) -> None:
    """Its logs tell that there was one; an empty folder is only the wrong one."""
    (folder / FILE_NAME).unlink()
    assert _check(folder, capsys)[0] == 1
    shutil.rmtree(folder / "logs")
    code, said = _check(folder, capsys)
    assert code == 2
    assert "is it the right one?" in said


def test_a_lost_table_needs_a_back_up(folder: Path, capsys: Output) -> None:
    """Also that which says what the schema is."""
    for table in ("attempts", "alembic_version"):
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
            connection.execute(f"DROP TABLE {table}")
        code, said = _check(folder, capsys)
        assert code == 1
        assert "restore a back-up" in said or folder.name != SCHEMAS[-1]


def _replace_by_file(path: Path) -> None:
    shutil.rmtree(path)
    path.touch()


def _replace_by_loop(path: Path) -> None:
    shutil.rmtree(path)
    path.symlink_to(path.name)


@pytest.mark.parametrize("name", ["logs", "logs/000000"])
@pytest.mark.parametrize("damage", [_replace_by_file, _replace_by_loop])
def test_what_is_no_folder_where_one_must_be_is_damage(
    tmp_path: Path, capsys: Output, name: str, damage: Callable[[Path], None]
) -> None:
    """Its owner can't read it either."""
    folder = unpack(SCHEMA, tmp_path)
    damage(folder / name)
    code, said = _check(folder, capsys)
    assert code == 1
    assert f"{folder / name}: " in said
    assert "restore a back-up" in said


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A whole data folder of nobody's, to which the way is open, as it is not below `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        folder = unpack(SCHEMA, Path(name))
        if not os.geteuid():
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        yield folder


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Let permissions count even if root runs the tests."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["", FILE_NAME, "logs", "logs/000000", "logs/000000/1.1.1.log"])
def test_what_may_not_be_read_is_no_damage(open_folder: Path, capsys: Output, name: str) -> None:
    """Exit code 2, and its owner is to do it."""
    path = open_folder / name
    with _as_nobody():
        assert _check(open_folder, capsys)[0] == 0
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with _as_nobody():
            code, said = _check(open_folder, capsys)
    finally:
        path.chmod(mode)
    assert code == 2
    assert "let its owner do it" in said
