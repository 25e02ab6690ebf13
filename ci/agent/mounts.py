"""What is mounted below a folder, so that whoever removes the folder stays out of it.

A build that runs as root may mount what it likes into its workspace, such as the machine's own
`/usr` for a chroot, and may end without unmounting it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
_PLACE: Final = 4  # the field of a line that says where; see proc(5)
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")


def mounts_in(folder: Path, table: Path = _MOUNTS) -> list[Path]:
    """List where something is mounted in `folder`, and `folder` itself if that is such a place.

    A bind mount has the device of its folder, so only the kernel's table tells. Raises OSError.
    """
    real = folder.resolve()
    places = [_place(line) for line in table.read_bytes().splitlines()]
    return [place for place in places if place.is_relative_to(real)]


def _place(line: bytes) -> Path:
    raw = _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), line.split(b" ")[_PLACE])
    return Path(os.fsdecode(raw))
