"""It is noted when each piece of a log came; notes stay small, and a crash costs only the last."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.server.logs import Logs
from ci.server.logtimes import note, read_notes, times_path

DAY_MS = 86_400_000


def test_a_note_is_where_a_piece_began(tmp_path: Path) -> None:
    """What comes right after another piece shares its note."""
    log = tmp_path / "1.1.1.log"
    assert read_notes(log) == ()
    for offset, ms in [(0, 10), (5, 60), (9, 110), (20, 5000)]:
        note(log, offset, ms)
    assert read_notes(log) == ((0, 10), (9, 110), (20, 5000))


def test_a_day_of_output_takes_little_room(tmp_path: Path) -> None:
    """However many pieces there are; the last time is exact to a thousandth of it."""
    log = tmp_path / "1.1.1.log"
    for piece, ms in enumerate(range(0, DAY_MS, 20_000)):
        note(log, piece, ms)
    notes = read_notes(log)
    assert times_path(log).stat().st_size < 150_000
    assert DAY_MS - notes[-1][1] < DAY_MS / 900


@pytest.mark.parametrize("torn", [1, 8, 15])
def test_half_a_note_is_written_over(tmp_path: Path, torn: int) -> None:
    """The server was killed while it wrote it."""
    log = tmp_path / "1.1.1.log"
    note(log, 0, 0)
    note(log, 10, 1000)
    times = times_path(log)
    times.write_bytes(times.read_bytes()[:-torn])
    assert read_notes(log) == ((0, 0),)
    note(log, 20, 2000)
    assert read_notes(log) == ((0, 0), (20, 2000))


@given(st.binary(max_size=100))
def test_whatever_stands_in_the_file_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """After a loss of power it may be anything: what is read is in order."""
    log = tmp_path_factory.mktemp("times") / "1.1.1.log"
    times_path(log).write_bytes(data)
    notes = read_notes(log)
    assert list(notes) == sorted(notes)
    assert len({offset for offset, _ in notes}) == len(notes)


async def test_notes_come_and_go_with_their_log(tmp_path: Path) -> None:
    """Also when it is taken again from the start, or a new one begins, or somebody removed it."""
    logs = Logs(tmp_path)
    await logs.append("1.1.1", 0, b"a\n", 10)
    await logs.append("1.1.1", 0, b"a\n", 5000)  # nothing new
    await logs.append("1.1.1", 2, b"b\n", 6000)
    assert await logs.times("1.1.1") == ((0, 10), (2, 6000))
    log = tmp_path / "000000" / "1.1.1.log"
    log.unlink()
    await logs.append("1.1.1", 0, b"a\n", 7000)
    assert await logs.times("1.1.1") == ((0, 7000),)
    log.unlink()
    [folder] = await logs.folders()
    assert [file.id for file in await logs.files(folder)] == ["1.1.1"]
    logs.begin("1.1.1")
    assert await logs.times("1.1.1") == ()
    await logs.append("1.1.1", 0, b"a\n", 10)
    [file] = await logs.files(folder)
    assert file.size == 2
    await logs.remove("1.1.1")
    assert list(folder.iterdir()) == []
