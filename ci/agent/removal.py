"""Removing what builds leave: whatever is in it, and nothing that is not ours.

Everything here blocks on the disk: call it through `ci.blocking`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from ci.agent.mounts import check_nothing_mounted, check_ours

_ASIDE: Final = ".gone-"  # the name of what is being removed begins so

log = structlog.get_logger()


def remove_or_leave(path: Path, *, first: str | None = None) -> None:
    """Remove a folder or a file; what can't be removed is logged and left to the cleaning.

    A build that ran a container may leave files of another user, which must stop nobody. `first`
    names a file of the folder before which nothing else may go.
    """
    try:
        if first is not None:
            (path / first).unlink(missing_ok=True)
        remove_tree(path)
    except OSError as error:
        log.error("not removed", path=str(path), error=str(error))


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, read-only folders too, or a file. Raises OSError.

    None there is fine. Where anything is mounted in it, or over the folder that it is in, nothing
    is removed at all: that may be the machine's own files.
    """
    if path.is_symlink() or not path.is_dir():
        check_ours(path.parent)
        path.unlink(missing_ok=True)
        return
    check_nothing_mounted(path)
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except (OSError, RecursionError):
        # A build may take permissions from a folder; Go's module cache takes that to write. And it
        # may nest folders deeper than Python's stack or than files may be open.
        _flatten(path)
        shutil.rmtree(path)


def set_aside(path: Path) -> Path:
    """Give a folder a name under which nobody looks for it, before it is removed; return that.

    Raises OSError, also when something was mounted over the folder that it is in.
    """
    check_ours(path.parent)
    if is_aside(path):
        return path
    return path.rename(path.with_name(f"{_ASIDE}{secrets.token_hex(4)}-{path.name}"))


def is_aside(path: Path) -> bool:
    """Whether it was set aside, perhaps by an earlier life."""
    return path.name.startswith(_ASIDE)


def _flatten(top: Path) -> None:
    """Bring all folders in `top` to its first level, and take every permission in them.

    So nothing here is limited in depth: no path is long, and nothing recurses. Raises OSError.
    """
    _allow(top)
    name, count = secrets.token_hex(8), 0  # that no build can know
    folders = _folders(top)
    while folders:
        folder = folders.pop()
        _allow(folder)
        for inner in _folders(folder):
            _allow(inner)  # moving it writes its `..`
            count += 1
            folders.append(inner.rename(top / f"{name}-{count}"))


def _folders(path: Path) -> list[Path]:
    with os.scandir(path) as entries:
        return [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _allow(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(0o700)
