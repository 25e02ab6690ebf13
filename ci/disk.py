"""The disk: how much of it is free, and which one it is."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free for us on the disk of `folder`; 0 when no file can be made.

    It asks the kernel's memory and takes some microseconds, except where the disk is a network's.
    """
    disk = os.statvfs(folder)
    if disk.f_files and not disk.f_favail:
        return 0
    return disk.f_bavail * disk.f_frsize


def mount_of(place: int | Path) -> int:
    """Return the number of the mount that a file or folder is in; for an open file, was in.

    Whoever mounts something over it, or over what it is in, gives its name another one. No two have
    the same number while a file is open in both. Raises OSError.
    """
    if isinstance(place, int):
        return _mount_of(place)
    descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        return _mount_of(descriptor)
    finally:
        os.close(descriptor)


def _mount_of(descriptor: int) -> int:
    words = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").split()
    return int(words[words.index("mnt_id:") + 1])
