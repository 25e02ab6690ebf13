"""What is mounted below or over a folder, so that whoever removes the folder stays out of it.

A build that runs as root may mount what it likes into its workspace, such as the machine's own
`/usr` for a chroot, and may end without unmounting it. With `..` in the wrong place it mounts over
the agent's own folder of workspaces, and all that is precious there looks like leftovers.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
_PLACE: Final = 4  # the field of a line that says where; see proc(5)
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")

OURS: Final = ".nursery-ci"  # the file by which a volume is known that was meant for the agent
_EMPTY: Final = {"lost+found"}  # what a new file system may hold


def mounts_in(folder: Path, table: Path = _MOUNTS) -> list[Path]:
    """List where something is mounted in `folder`, and `folder` itself if that is such a place.

    A bind mount has the device of its folder, so only the kernel's table tells. Raises OSError.
    """
    real = folder.resolve()
    return [place for place in _places(table) if place.is_relative_to(real)]


def check_ours(folder: Path, table: Path = _MOUNTS) -> None:
    """Make sure that one of the agent's folders is not what a build has mounted over it.

    Raises OSError.
    """
    if folder.resolve() in _places(table) and not (folder / OURS).exists():
        raise OSError(
            errno.EBUSY,
            f"Something was mounted over {folder}: unmount it, or if it is meant to be there, "
            f"make an empty file {OURS} in it",
        )


def mark_new(folder: Path, table: Path = _MOUNTS) -> None:
    """Make a volume ours that somebody has mounted for us: there is nothing in it to be lost.

    Raises OSError.
    """
    if folder.resolve() in _places(table) and {path.name for path in folder.iterdir()} <= _EMPTY:
        (folder / OURS).touch()


def _places(table: Path) -> list[Path]:
    return [_place(line) for line in table.read_bytes().splitlines()]


def _place(line: bytes) -> Path:
    raw = _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), line.split(b" ")[_PLACE])
    return Path(os.fsdecode(raw))
