"""Counts beside a log are found again, and what is wrong among them is not believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.server.linemarks import STEP_BYTES, marks_path, read_marks, write_marks

COUNTS = [5, 5, 700, STEP_BYTES, STEP_BYTES + 3]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of as many steps as there are counts, and a half."""
    path = tmp_path / "1.1.1.log"
    with path.open("wb") as file:
        file.truncate(len(COUNTS) * STEP_BYTES + STEP_BYTES // 2)
    return path


@given(st.lists(st.tuples(st.integers(0, len(COUNTS)), st.integers(0, len(COUNTS)))))
def test_counts_are_found_up_to_the_first_that_is_missing(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int]]
) -> None:
    """They may be written in any order, and any number of times."""
    log = tmp_path_factory.mktemp("logs") / "log"
    with log.open("wb") as file:
        file.truncate(len(COUNTS) * STEP_BYTES)
    written: set[int] = set()
    for first, stop in parts:
        write_marks(log, first, COUNTS[first:stop])
        written.update(range(first, stop))
    known = next(step for step in range(len(COUNTS) + 1) if step not in written)
    assert read_marks(log) == COUNTS[:known]


def test_a_changed_byte_ends_what_is_believed(log: Path) -> None:
    """Whichever it is: what stands before it is right."""
    write_marks(log, 0, COUNTS)
    right = marks_path(log).read_bytes()
    size = len(right) // len(COUNTS)
    for place in range(len(right)):
        wrong = bytes([right[place] ^ 0x10])
        marks_path(log).write_bytes(right[:place] + wrong + right[place + 1 :])
        assert read_marks(log) == COUNTS[: place // size]


def test_what_a_loss_of_power_tears_off_is_not_missed(log: Path) -> None:
    """The file may end anywhere, and in zeros."""
    write_marks(log, 0, COUNTS)
    right = marks_path(log).read_bytes()
    size = len(right) // len(COUNTS)
    for place in range(len(right)):
        for rest in (b"", bytes(100)):
            marks_path(log).write_bytes(right[:place] + rest)
            whole = place // size
            assert read_marks(log)[:whole] == COUNTS[:whole]
            assert len(read_marks(log)) <= whole + 1
            assert read_marks(log) == COUNTS[: len(read_marks(log))]


def test_a_log_that_is_shorter_has_no_such_counts(log: Path) -> None:
    """What lost its end is counted by what it has."""
    write_marks(log, 0, COUNTS)
    with log.open("r+b") as file:
        file.truncate(2 * STEP_BYTES - 1)
    assert read_marks(log) == COUNTS[:1]
    log.unlink()
    assert read_marks(log) == []
