"""What is mounted below or over a folder, so that whoever removes the folder stays out of it.

A build that runs as root may mount what it likes into its workspace, such as the machine's own
`/usr` for a chroot, and may end without unmounting it. With `..` in the wrong place it mounts over
the agent's own folder of workspaces, and all that is precious there looks like leftovers.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from ci.disk import mount_of
from ci.errors import ConfigError

_MOUNTS: Final = Path("/proc/self/mountinfo")
_PLACE: Final = 4  # the field of a line that says where; see proc(5)
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")

OURS: Final = ".nursery-ci"  # the file by which a volume is known that was meant for the agent
FOLDERS: Final = ("spool", "work", "mirrors")  # of the data folder: what the agent removes is there
_EMPTY: Final = {"lost+found"}  # what a new file system may hold


class Ground:
    """The mount that the data folder is in, as it was when the agent started.

    It is another one when a build has mounted something over it, or over what it is in.
    """

    def __init__(self, data_dir: Path) -> None:
        """`data_dir` is there, and absolute. Raises OSError."""
        self.data_dir = data_dir
        self._mount = mount_of(data_dir)

    def check(self) -> None:
        """Make sure that what is in the data folder is ours. Raises OSError."""
        if mount_of(self.data_dir) != self._mount:
            raise OSError(errno.EBUSY, f"Something was mounted over {self.data_dir}: unmount it")

    def problem(self) -> str:
        """Say which folder is not ours just now; empty when all are. Raises OSError."""
        try:
            self.check()
            places = _places(_MOUNTS)
            for name in FOLDERS:
                _check_ours(self.data_dir / name, places)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return f"{error.strerror}; no build is taken until then"
        return ""


def check_known(data_dir: Path, own_file: Path) -> None:
    """Make sure that no other program's folder is taken for an agent's, and emptied.

    An agent's has `own_file` before anything else. Raises ConfigError.
    """
    if own_file.exists():
        return
    for folder in (data_dir / name for name in FOLDERS):
        if folder.is_dir() and {path.name for path in folder.iterdir()} - _EMPTY - {OURS}:
            raise ConfigError(
                f"dataDir = {str(data_dir)!r}: {folder.name}/ in it is not empty, and no agent "
                "made it; choose another folder, for what is in there would be removed"
            )


def mounts_in(folder: Path, table: Path = _MOUNTS) -> list[Path]:
    """List where something is mounted in `folder`, and `folder` itself if that is such a place.

    A bind mount has the device of its folder, so only the kernel's table tells. Raises OSError.
    """
    return _within(_real(folder), _places(table))


def check_ours(folder: Path, table: Path = _MOUNTS) -> None:
    """Make sure that one of the agent's folders is not what a build has mounted over it.

    Raises OSError, with the number EBUSY.
    """
    _check_ours(folder, _places(table))


def _check_ours(folder: Path, places: Collection[str]) -> None:
    if _real(folder) in places and not (folder / OURS).exists():
        raise OSError(
            errno.EBUSY,
            f"Something was mounted over {folder}: unmount it, or if it is meant to be there, "
            f"make an empty file {OURS} in it",
        )


def check_nothing_mounted(folder: Path, table: Path = _MOUNTS) -> None:
    """Make sure that `folder` and all in it is on the disk of what it is in, which is ours.

    Raises OSError, with the number EBUSY.
    """
    places = _places(table)
    _check_ours(folder.parent, places)
    if mounts := _within(_real(folder), places):
        raise OSError(errno.EBUSY, "Something is mounted there: unmount it", str(mounts[0]))


def mark_new(folder: Path, table: Path = _MOUNTS) -> None:
    """Make a volume ours that somebody has mounted for us: there is nothing in it to be lost.

    Raises OSError.
    """
    if _real(folder) in _places(table) and {path.name for path in folder.iterdir()} <= _EMPTY:
        (folder / OURS).touch()


def _within(real: str, places: Collection[str]) -> list[Path]:
    inside = real.rstrip("/") + "/"
    return [Path(place) for place in places if place == real or place.startswith(inside)]


def _real(folder: Path) -> str:
    return os.path.realpath(folder)


def _places(table: Path) -> list[str]:
    """Read where something is mounted. As text: a Path for each costs more than all the rest."""
    return [_place(line) for line in table.read_bytes().splitlines()]


def _place(line: bytes) -> str:
    raw = line.split(b" ", _PLACE + 1)[_PLACE]
    if b"\\" in raw:
        raw = _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), raw)
    return os.fsdecode(raw)
