"""Logs of attempts: whole on disk before a result counts, and counted by line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ci.errors import GivenUp, LogGap
from ci.server.linemarks import STEP_BYTES, marks_path
from ci.server.logs import SAVE_BYTES, Logs, Sealed


@pytest.mark.parametrize("id", ["", "1", "1.1", "../1.1.1", "1.1.1/x", "0.1.1", "1.1.1\n", "٣.1.1"])
async def test_an_id_that_is_none_never_becomes_a_path(tmp_path: Path, id: str) -> None:
    """Whatever comes from outside, only BUILD.JOB.TRY is looked for on disk."""
    with pytest.raises(GivenUp):
        await Logs(tmp_path).append(id, 0, b"x")
    assert list(tmp_path.iterdir()) == []


async def test_sealing_checks_size_and_content(tmp_path: Path) -> None:
    """Missing bytes are asked for; wrong ones are thrown away and asked for again."""
    logs = Logs(tmp_path)
    await logs.append("1.1.1", 0, b"hello")
    right = hashlib.sha256(b"hello").hexdigest()
    with pytest.raises(LogGap) as gap:
        await logs.seal("1.1.1", None, 6, None)
    assert gap.value.size == 5
    assert await logs.seal("1.1.1", None, 5, right) == Sealed(5, right)
    with pytest.raises(LogGap) as gap:
        await logs.seal("1.1.1", None, 5, "0" * 64)
    assert gap.value.size == 0
    assert logs.size("1.1.1") == 0
    assert await logs.seal("1.1.1", b"hello", 5, right) == Sealed(5, right)
    nothing = hashlib.sha256().hexdigest()
    assert await logs.seal("2.1.1", None, 0, nothing) == Sealed(0, nothing)


async def test_a_log_that_is_longer_than_was_said_is_kept_whole(tmp_path: Path) -> None:
    """A process outlived the build: what it printed is no part of what the sender hashed."""
    logs = Logs(tmp_path)
    await logs.append("1.1.1", 0, b"hello, world")
    said, whole = (hashlib.sha256(words).hexdigest() for words in (b"hello", b"hello, world"))
    assert await logs.seal("1.1.1", None, 5, said) == Sealed(12, whole)
    assert await logs.seal("1.1.1", None, None, None) == Sealed(12, whole)


async def test_lines_are_counted_as_they_come(tmp_path: Path) -> None:
    """The first look at the end of a big log reads no more of it than of a small one."""
    logs = Logs(tmp_path)
    text = b"x\n" * 100_000
    for number in range(20):
        await logs.append("1.1.1", number * len(text), text)
    logs._path("1.1.1").write_bytes(bytes(20 * len(text)))
    whole_steps = 20 * len(text) // STEP_BYTES * STEP_BYTES
    assert await logs.lines_before("1.1.1", whole_steps) == whole_steps // 2


async def test_a_log_that_was_thrown_away_is_counted_anew(tmp_path: Path) -> None:
    """Its bytes were not what was printed, and others come in their place."""
    logs = Logs(tmp_path)
    await logs.append("1.1.1", 0, b"a\nb\n")
    assert await logs.lines_before("1.1.1", 4) == 2
    with pytest.raises(LogGap):
        await logs.seal("1.1.1", None, 4, "0" * 64)
    await logs.append("1.1.1", 0, b"abc\n")
    assert await logs.lines_before("1.1.1", 4) == 1


async def test_the_next_life_of_the_server_finds_what_was_counted(tmp_path: Path) -> None:
    """While a log grows, and when it has ended; also where a life began in its midst."""
    text = b"x\n" * (SAVE_BYTES // 2)
    whole = 2 * len(text)
    first = Logs(tmp_path)
    await first.append("1.1.1", 0, text)
    path = first._path("1.1.1")
    assert len(marks_path(path).read_bytes()) == SAVE_BYTES // STEP_BYTES * 12
    second = Logs(tmp_path)
    await second.append("1.1.1", len(text), text)
    await second.seal("1.1.1", None, None, None)
    path.write_bytes(bytes(whole))
    assert await Logs(tmp_path).lines_before("1.1.1", whole) == whole // 2


async def test_counts_go_with_their_log(tmp_path: Path) -> None:
    """When it is removed, thrown away, or stands where a new attempt's has to begin."""
    logs = Logs(tmp_path)
    text = b"x\n" * (SAVE_BYTES // 2)
    marks = marks_path(logs._path("1.1.1"))
    await logs.append("1.1.1", 0, text)
    assert marks.exists()
    with pytest.raises(LogGap):
        await logs.seal("1.1.1", None, None, "0" * 64)
    assert not marks.exists()
    await logs.append("1.1.1", 0, text)
    assert [file.id for file in await logs.files(marks.parent)] == ["1.1.1"]
    logs._path("1.1.1").unlink()  # by hand; then what is beside it is still found
    assert [file.id for file in await logs.files(marks.parent)] == ["1.1.1"]
    logs.begin("1.1.1")
    assert list(marks.parent.iterdir()) == []
