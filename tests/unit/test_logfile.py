"""A log takes bytes by offset: it refuses a gap, forgives an overlap, changes nothing."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci import logfile
from ci.errors import LogGap

OUTPUT = bytes(range(256)) * 3

Chunk = tuple[int, int]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that does not exist yet, in a folder that does not either."""
    return tmp_path / "12" / "12.1.1.log"


@given(
    st.binary(max_size=200),
    st.lists(st.tuples(st.integers(0, 250), st.integers(0, 250)), max_size=30),
)
def test_overlapping_chunks_in_any_order_give_the_same_bytes(
    output: bytes, chunks: list[Chunk]
) -> None:
    """Any hop may die and ask again: what is on disk is always the beginning of the output."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        for start, length in chunks:
            before = logfile.size(path)
            offset = min(start, len(output))
            piece = output[offset : offset + length]
            if offset > before:
                with pytest.raises(LogGap) as gap:
                    logfile.append(path, offset, piece)
                assert gap.value.size == logfile.size(path) == before
            else:
                size = logfile.append(path, offset, piece)
                assert size == logfile.size(path) == max(before, offset + len(piece))
            assert logfile.read(path, 0, 1000) == output[: logfile.size(path)]
        logfile.append(path, logfile.size(path), output[logfile.size(path) :])
        assert logfile.read(path, 0, 1000) == output


def test_bytes_that_were_taken_never_change(log: Path) -> None:
    """A second sender with other bytes for the same place can't rewrite the log."""
    assert logfile.append(log, 0, b"first") == 5
    assert logfile.append(log, 0, b"OTHER, and more") == 15
    assert logfile.read(log, 0, 100) == b"first, and more"


def test_a_gap_is_refused_and_nothing_is_written(log: Path) -> None:
    """The sender is told where to go on."""
    logfile.append(log, 0, b"abc")
    with pytest.raises(LogGap) as gap:
        logfile.append(log, 4, b"xyz")
    assert gap.value.size == 3
    assert logfile.read(log, 0, 100) == b"abc"


def test_two_senders_at_once_double_no_byte(log: Path) -> None:
    """A sender that gave up waiting asks again while its first request is still served."""
    logfile.append(log, 0, b"")

    def send() -> None:
        for offset in range(0, len(OUTPUT), 7):
            logfile.append(log, offset, OUTPUT[offset : offset + 7])

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert logfile.read(log, 0, 10_000) == OUTPUT


@given(st.integers(0, 900), st.integers(0, 900))
def test_a_reader_gets_bytes_by_offset(offset: int, limit: int) -> None:
    """It is a slice, also beyond the end."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        logfile.append(path, 0, OUTPUT)
        assert logfile.read(path, offset, limit) == OUTPUT[offset : offset + limit]


def test_a_log_without_a_file_is_empty(log: Path) -> None:
    """A build that waits has no file yet, and nobody has to ask first."""
    assert logfile.size(log) == 0
    assert logfile.read(log, 0, 100) == b""
    assert logfile.count_lines(log, 0, 100) == 0
    assert logfile.sha256(log) == hashlib.sha256(b"").hexdigest()
    logfile.sync(log)
    assert not log.exists()


def test_the_first_bytes_make_file_and_folder(log: Path) -> None:
    """Also when they are none, and also when they have to be on disk."""
    assert logfile.append(log, 0, b"", durable=True) == 0
    assert log.exists()
    assert logfile.append(log, 0, b"x", durable=True) == 1
    logfile.sync(log)
    assert logfile.read(log, 0, 10) == b"x"


def test_the_hash_is_that_of_the_whole_log(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many reads as it takes."""
    monkeypatch.setattr(logfile, "_HASH_CHUNK", 7)
    logfile.append(log, 0, OUTPUT)
    assert logfile.sha256(log) == hashlib.sha256(OUTPUT).hexdigest()


@given(st.binary(max_size=60), st.integers(0, 70), st.integers(0, 70))
def test_lines_are_counted_between_two_offsets(output: bytes, start: int, stop: int) -> None:
    """Line numbers of a window in a big log come from this."""
    output = output.replace(b"\x00", b"\n")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        logfile.append(path, 0, output)
        assert logfile.count_lines(path, start, stop) == output[start:stop].count(b"\n")
