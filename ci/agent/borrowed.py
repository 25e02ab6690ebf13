"""Which mirrors workspaces borrow objects from. It blocks: call it through `ci.blocking`."""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from ci import logfile
from ci.agent.removal import is_aside

_ALTERNATES: Final = ".git/objects/info/alternates"
_READ_LIMIT: Final = 64 << 10  # bytes; we write one line, a build may add some


def borrowed(work: Path, without: AbstractSet[Path] = frozenset()) -> set[Path]:
    """Find the mirrors that the workspaces in `work` borrow from, but for those `without`.

    A build may have put anything in place of the file: a pipe, a disk image, a picture.
    """
    found = set()
    for alternates in work.glob(f"*/{_ALTERNATES}"):
        workspace = alternates.parents[3]
        if workspace not in without and not is_aside(workspace):
            found |= borrowed_by(workspace)
    return found


def borrowed_by(workspace: Path) -> set[Path]:
    """Find the mirrors that one workspace borrows from."""
    alternates = workspace / _ALTERNATES
    if not alternates.is_file():
        return set()
    text = os.fsdecode(logfile.read(alternates, 0, _READ_LIMIT))
    return {Path(line).parent for line in text.splitlines()}
