"""Room on the server's disk: below the limit it says so, once, and takes nothing large."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ci.errors import StoreFailed
from ci.server.room import Room


async def test_the_limit_itself_is_enough(tmp_path: Path) -> None:
    """One byte less is too little; the sentence names the setting and the folder."""
    free = [1000]
    room = Room(tmp_path, 1000, lambda _: free[0])
    room.demand()
    free[0] = 999
    with pytest.raises(StoreFailed, match=f"minFreeBytes.*{tmp_path}") as error:
        room.demand()
    assert (error.value.http_status, error.value.retry_after_s) == (503, 10)
    free[0] = 1000
    assert room.look() is None


def test_the_log_tells_of_it_once(tmp_path: Path) -> None:
    """However often it is asked, a line at the beginning and one at the end."""
    free = [1000]
    room = Room(tmp_path, 1000, lambda _: free[0])
    with capture_logs() as lines:
        for free[0] in (1000, 10, 11, 12, 2000, 3000):
            room.look()
    assert [line["event"] for line in lines] == ["disk short", "disk has room again"]


async def test_a_disk_that_can_not_be_measured_has_no_room(tmp_path: Path) -> None:
    """It breaks, or is a network's that is gone: that is no bug, and passes."""
    broken = [OSError(errno.EIO, "Input/output error")]

    def free(folder: Path) -> int:
        if broken:
            raise broken[0]
        return 1000

    room = Room(tmp_path, 1000, free)
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(StoreFailed, match="short"):
                room.demand()
    assert [line["event"] for line in lines] == ["disk not measured", "disk short"]
    broken.clear()
    room.demand()
