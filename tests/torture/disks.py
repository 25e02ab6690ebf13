"""Small disks that can be filled: a tmpfs for each data folder, where mounting is allowed.

The run moves into a mount namespace of its own first, so that nobody else sees the mounts and
the kernel removes them with its last process.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_INSIDE: Final = "TORTURE_NAMESPACE"
_BALLAST: Final = "ballast"
_SPARED: Final = 1 << 22  # bytes that a program may write between the question and the filling
_SIZE: Final = "2g"  # of each disk; only what is used takes memory


def enter_namespace(arguments: list[str]) -> None:
    """Go on as `arguments` in a mount namespace of our own, if that is allowed."""
    if os.environ.get(_INSIDE) or shutil.which("unshare") is None:
        return
    for options in (["--mount"], ["--map-root-user", "--mount"]):
        if subprocess.run(
            ["unshare", *options, "true"], capture_output=True, check=False
        ).returncode:
            continue
        environment = os.environ | {_INSIDE: "1"}
        words = ["unshare", *options, sys.executable, *arguments]
        os.execvpe("unshare", words, environment)


def mount(folder: Path) -> bool:
    """Make `folder` a small disk of its own; False where that is not allowed."""
    folder.mkdir(parents=True)
    if not os.environ.get(_INSIDE):
        return False
    words = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Undo `mount`, if it was done."""
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no room on the disk of `folder`, or next to none if it is being written to."""
    with (folder / _BALLAST).open("wb") as file:
        for spared in range(0, _SPARED, _SPARED // 64):
            disk = os.statvfs(folder)
            try:
                os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - spared))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            else:
                return


def make_room(folder: Path) -> None:
    """Undo `fill`."""
    (folder / _BALLAST).unlink(missing_ok=True)
