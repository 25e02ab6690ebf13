"""The disk gets back what no log will have; the rest stays where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
import trio

from ci.agent.output import Output
from ci.agent.trim import LOOK_S, STEP_BYTES, punch_hole, serve_trimming

BLOCK = 512  # bytes, as `st_blocks` counts
LIMIT = 4 << 20


def on_disk(path: Path) -> int:
    """Bytes that a file takes."""
    return path.stat().st_blocks * BLOCK


def test_a_hole_is_no_longer_on_the_disk(tmp_path: Path) -> None:
    """Size and offsets stay; around the hole nothing changes."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * (8 << 20))
    before = on_disk(path)
    punch_hole(path, 1 << 20, 6 << 20)
    assert on_disk(path) == before - (6 << 20)
    assert path.read_bytes() == b"x" * (1 << 20) + bytes(6 << 20) + b"x" * (1 << 20)


def test_where_there_are_no_holes_it_is_an_error(tmp_path: Path) -> None:
    """Any reason is an OSError that names the file."""
    with pytest.raises(FileNotFoundError):
        punch_hole(tmp_path / "log", 0, 1)
    path = Path("/dev/null")
    with pytest.raises(OSError, match="/dev/null"):
        punch_hole(path, 0, 1)


async def test_a_growing_output_takes_no_more_disk_than_its_limit(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """However long it goes on; and what is delivered is what it would have been."""
    path = tmp_path / "log"
    output = Output(path, LIMIT)
    nursery.start_soon(serve_trimming, output, "1.1.1")
    piece = b"".join(b"%07d\n" % n for n in range(1 << 17))
    with path.open("ab", buffering=0) as file:
        for count in range(1, 21):
            file.write(piece)
            await trio.sleep(LOOK_S)
            await trio.testing.wait_all_tasks_blocked()
            assert on_disk(path) <= LIMIT + STEP_BYTES + len(piece)
            assert path.stat().st_size == count * len(piece)
    copy = tmp_path / "copy"
    copy.write_bytes(piece * 20)
    whole = output.whole(20 * len(piece))
    assert whole.sha256() == Output(copy, LIMIT).whole(20 * len(piece)).sha256()


async def test_a_file_system_without_holes_is_said_once(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """The file grows then, and the rest goes on; it may be passing, so it is tried again."""
    broken = tmp_path / "broken"
    broken.symlink_to("/dev/full")
    with structlog.testing.capture_logs() as said:
        nursery.start_soon(serve_trimming, _Device(broken, LIMIT), "1.1.1")
        await trio.sleep(10 * LOOK_S)
    assert [line["event"] for line in said] == ["output not trimmed on disk"]


async def test_a_file_that_can_not_be_looked_at_is_said_once(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """A disk that fails is no reason to end what is being waited for beside the trimming."""
    (tmp_path / "folder").touch()
    with structlog.testing.capture_logs() as said:
        nursery.start_soon(serve_trimming, Output(tmp_path / "folder" / "log", LIMIT), "1.1.1")
        await trio.sleep(10 * LOOK_S)
    assert [line["event"] for line in said] == ["output not trimmed on disk"]


class _Device(Output):
    """An output on what has no holes, of which there is always too much."""

    __slots__ = ()

    def middle(self, size: int) -> range:
        """Return a lot."""
        return range(size, size + 10 * STEP_BYTES)
