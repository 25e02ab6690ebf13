"""A small disk of its own, where the system lets us mount one."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_BALLAST = "ballast"
_FILL_TRIES = 100  # a program may write between the question how much is free and its filling


class SmallDisk:
    """A mounted file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def free(self) -> int:
        """Bytes that still fit."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Leave so many bytes free, or up to a page less."""
        with (self.folder / _BALLAST).open("ab") as ballast:
            end = ballast.tell()
            for _ in range(_FILL_TRIES):
                try:
                    os.posix_fallocate(ballast.fileno(), end, max(1, self.free - leave))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                else:
                    return
        raise AssertionError("somebody else writes so fast that the disk can't be filled")

    def clear(self) -> None:
        """Take away what filled it."""
        (self.folder / _BALLAST).unlink()


@contextmanager
def open_small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """Mount one in `folder`. Raises CalledProcessError where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: whatever the test has failed to end may still have files open there.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount() -> bool:
    """Whether we may have one."""
    with TemporaryDirectory() as folder:
        try:
            with open_small_disk(Path(folder) / "disk", 1 << 20):
                return True
        except (subprocess.CalledProcessError, FileNotFoundError):
            return False
