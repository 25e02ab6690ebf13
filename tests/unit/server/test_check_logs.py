"""`python -m ci.server check` on logs that were damaged, replaced or taken away."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ci.server.check import main
from ci.server.store.database import FILE_NAME, open_database
from ci.server.store.tables import SCHEMA
from tests.old.folder import unpack

Output = pytest.CaptureFixture[str]
ID = "1.1.1"  # its log is b"good\n\xff\x00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole data folder, with logs of which the store knows sizes and hashes."""
    return unpack(SCHEMA, tmp_path)


def _log(folder: Path, id: str = ID) -> Path:
    return folder / "logs" / "000000" / f"{id}.log"


def _check(folder: Path, output: Output) -> tuple[int, list[str]]:
    """Check a folder; return the exit code and the lines without the last one."""
    output.readouterr()
    code = main(["--data-dir", str(folder)])
    return code, output.readouterr().out.splitlines()[:-1]


def test_all_logs_at_once_are_not_removed_by_hand(folder: Path, capsys: Output) -> None:
    """A disk that is not mounted looks like this: one fault, and not a note for each log."""
    shutil.rmtree(folder / "logs")
    words = (
        f"{folder / 'logs'}: is missing, and with it 4 logs of 29 bytes; restore it from a "
        "back-up, or make an empty folder in its place if you removed it"
    )
    assert _check(folder, capsys) == (1, [words])
    (folder / "logs").mkdir()
    code, lines = _check(folder, capsys)
    assert code == 0
    assert len(lines) == 4
    assert all(line.startswith("note: ") and "unless you removed it" in line for line in lines)


def test_where_nothing_was_printed_nothing_is_missing(folder: Path, capsys: Output) -> None:
    """A server makes the folder of logs with the first byte."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE attempts SET log_size = 0 WHERE log_size > 0")
        connection.execute("UPDATE builds SET log_size = 0 WHERE log_size > 0")
    shutil.rmtree(folder / "logs")
    assert _check(folder, capsys) == (0, [])


def test_other_bytes_of_the_same_size_are_seen(folder: Path, capsys: Output) -> None:
    """As a disk leaves them that has lost a block, and says nothing."""
    _log(folder).write_bytes(b"goot\n\xff\x00")
    words = f"{_log(folder)}: has other bytes than the 7 that it had; restore it from a back-up"
    assert _check(folder, capsys) == (1, [words])


def test_a_log_that_is_too_long_is_cut_by_the_advice(folder: Path, capsys: Output) -> None:
    """The advice is a command; where it would not help, it is another one."""
    with _log(folder).open("ab") as file:
        file.write(b"more")
    code, (line,) = _check(folder, capsys)
    assert code == 1
    assert "has 11 bytes, the store says 7; cut off what follows: truncate" in line
    subprocess.run(["/bin/sh", "-c", line.rpartition(": ")[2]], check=True)
    assert _check(folder, capsys) == (0, [])
    _log(folder).write_bytes(b"something else")
    code, (line,) = _check(folder, capsys)
    assert code == 1
    assert "and these are others than it had; restore it from a back-up" in line


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(0, 0))  # the one that any user may make


def _link(path: Path) -> None:
    target = path.with_name("elsewhere")
    target.write_bytes(b"good\n\xff\x00")
    path.symlink_to(target)


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket may not be long
    try:
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("put", "kind"),
    [
        (Path.mkdir, "a folder"),
        (_link, "a symbolic link"),
        (lambda path: path.symlink_to("/dev/zero"), "a symbolic link"),
        (_pipe, "a pipe"),
        (_socket, "a socket"),
        (_device, "a device"),
    ],
)
@pytest.mark.parametrize("id", [ID, "6.1.1"], ids=["whole", "open"])
def test_what_is_no_file_is_named_for_what_it_is(
    folder: Path, capsys: Output, put: Callable[[Path], object], kind: str, id: str
) -> None:
    """And is not opened: a pipe would never answer."""
    _log(folder, id).unlink()
    put(_log(folder, id))
    code, lines = _check(folder, capsys)
    words = "where a log must be; move it away, and restore the log from a back-up"
    assert code == 1
    assert f"{_log(folder, id)}: is {kind}, {words}" in lines


def test_logs_of_an_earlier_version_are_counted(tmp_path: Path, capsys: Output) -> None:
    """Nothing is known of their bytes; those that came since then are compared wholly."""
    folder = unpack("0003", tmp_path)
    open_database(folder).close()
    words = (
        "note: logs: 4 of them have no checksum: an earlier version took them; "
        "of these only the size was compared; nothing is to be done"
    )
    assert _check(folder, capsys) == (0, [words])
    _log(folder).write_bytes(b"goot\n\xff\x00")
    assert _check(folder, capsys) == (0, [words])
    _log(folder).write_bytes(b"good\n\xff\x00?")
    code, lines = _check(folder, capsys)
    assert code == 1
    assert "cut off what follows" in lines[0]
