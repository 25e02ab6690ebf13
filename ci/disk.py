"""The disk: how much of it is free."""

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
