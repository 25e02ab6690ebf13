"""Lines are counted right, whoever counts them, and each byte once."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from ci import blocking
from ci.server.linemarks import STEP_BYTES, marks_path
from ci.server.lines import LineCounts

CONTENT = b"".join(b"x" * (n % 997) + b"\n" for n in range(9000))  # some 4 steps


def place_of(line: int, data: bytes = CONTENT) -> int:
    """Where a line begins."""
    return sum(len(each) + 1 for each in data.split(b"\n")[: line - 1])


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, len(CONTENT)), st.integers(0, 2 * STEP_BYTES)),
        min_size=1,
        max_size=12,
    )
)
def test_lines_are_counted_right_however_it_is_asked(steps: list[tuple[bool, int, int]]) -> None:
    """While the log grows, in any pieces, repeated or out of order, from any offset."""

    async def count(path: Path) -> None:
        counts, size = LineCounts(path), 0
        for grows, place, length in steps:
            if grows:
                offset = min(place, size)
                data = CONTENT[offset : offset + length]
                size = max(size, offset + len(data))
                path.write_bytes(CONTENT[:size])
                counts.add(offset, data)
            else:
                offset = min(place, size)
                assert await counts.before(offset) == CONTENT[:offset].count(b"\n")

    with TemporaryDirectory() as folder, blocking.inline():
        trio.run(count, Path(folder) / "log")


async def test_pieces_that_come_while_it_counts_are_counted_once(tmp_path: Path) -> None:
    """A page asks for the lines of a log that grows at the same moment."""
    path = tmp_path / "log"
    path.write_bytes(CONTENT)
    counts = LineCounts(path)
    asked = [0, STEP_BYTES, len(CONTENT), STEP_BYTES - 1, len(CONTENT)]
    found: dict[int, int] = {}

    async def ask(offset: int) -> None:
        found[offset] = await counts.before(offset)

    async with trio.open_nursery() as nursery:
        for offset in asked:
            nursery.start_soon(ask, offset)
        for offset in range(0, len(CONTENT), 50_000):
            counts.add(offset, CONTENT[offset : offset + 50_000])
            await trio.lowlevel.checkpoint()
    assert found == {offset: CONTENT[:offset].count(b"\n") for offset in asked}


@pytest.mark.parametrize("offset", [0, 5, STEP_BYTES, 10 * STEP_BYTES])
async def test_a_log_that_is_shorter_than_asked_has_its_lines(tmp_path: Path, offset: int) -> None:
    """An address may name any offset; a log may have been removed."""
    (tmp_path / "log").write_bytes(b"a\nb\n")
    assert await LineCounts(tmp_path / "log").before(offset) == min(offset, 4) // 2
    assert await LineCounts(tmp_path / "none").before(offset) == 0


async def test_what_was_counted_is_not_counted_again_after_a_start(tmp_path: Path) -> None:
    """No more of the log is read than a step, however long it is."""
    path = tmp_path / "log"
    path.write_bytes(CONTENT)
    await LineCounts(path).finish(len(CONTENT))
    path.write_bytes(bytes(len(CONTENT)))
    step = len(CONTENT) // STEP_BYTES * STEP_BYTES
    assert await LineCounts(path).before(step) == CONTENT[:step].count(b"\n")
    path.write_bytes(CONTENT)
    assert await LineCounts(path).begin(8000, len(CONTENT)) == place_of(8000)


@pytest.mark.parametrize("damage", [0, 7, 12, 30, 35])
async def test_damaged_counts_are_taken_anew_and_mended(tmp_path: Path, damage: int) -> None:
    """Whatever is wrong, the log is the truth."""
    path = tmp_path / "log"
    path.write_bytes(CONTENT)
    await LineCounts(path).finish(len(CONTENT))
    right = marks_path(path).read_bytes()
    wrong = right[:damage] + b"?" + right[damage + 1 :]
    marks_path(path).write_bytes(wrong)
    assert await LineCounts(path).before(len(CONTENT)) == CONTENT.count(b"\n")
    assert marks_path(path).read_bytes() == right != wrong


async def test_counts_that_can_not_be_kept_are_right_all_the_same(tmp_path: Path) -> None:
    """They are for speed only: a page needs no room on the disk."""
    path = tmp_path / "log"
    path.write_bytes(CONTENT)
    marks_path(path).mkdir()
    assert await LineCounts(path).before(len(CONTENT)) == CONTENT.count(b"\n")


@pytest.mark.parametrize("lives", [1, 2, 3])
async def test_a_log_grows_through_lives_of_the_server(tmp_path: Path, lives: int) -> None:
    """Each one goes on from what the one before has counted and saved."""
    path = tmp_path / "log"
    share = len(CONTENT) // lives + 1
    for life in range(lives):
        counts, size = LineCounts(path), life * share
        path.write_bytes(CONTENT[: size + share])
        counts.add(size, CONTENT[size : size + share])
        await counts.save()
    await counts.finish(len(CONTENT))
    path.write_bytes(bytes(len(CONTENT)))
    step = len(CONTENT) // STEP_BYTES * STEP_BYTES
    assert await LineCounts(path).before(step) == CONTENT[:step].count(b"\n")


@given(st.binary(max_size=300) | st.just(CONTENT), st.integers(1, 12_000), st.floats(0, 1))
def test_a_line_begins_behind_the_line_end_before_it(data: bytes, line: int, share: float) -> None:
    """Of a log that has grown so far; what is behind its end is no line."""

    async def find(path: Path) -> None:
        size = int(len(data) * share)
        begin = place_of(line, data)
        found = await LineCounts(path).begin(line, size)
        assert found == (begin if begin < size else None)

    with TemporaryDirectory() as folder, blocking.inline():
        path = Path(folder) / "log"
        path.write_bytes(data)
        trio.run(find, path)


async def test_no_line_begins_where_there_is_no_log(tmp_path: Path) -> None:
    """It may have been removed since its size was asked."""
    assert await LineCounts(tmp_path / "none").begin(1, 100) == 0
    assert await LineCounts(tmp_path / "none").begin(2, 100) is None
