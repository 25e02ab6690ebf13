"""A mount namespace of its own: what a build mounts there, this machine never sees."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_LIFE_S = 600  # no test takes so long; whoever is killed leaves nothing for longer


@contextmanager
def open_mount_space() -> Iterator[list[str]]:
    """Make one; yield the words that a program in it begins with."""
    words = ["unshare", "--mount", "--propagation", "private"]
    keeper = ["sh", "-c", f"echo && exec sleep {_LIFE_S}"]
    with subprocess.Popen([*words, *keeper], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # from here on it is in there
            yield ["nsenter", f"--mount=/proc/{process.pid}/ns/mnt"]
        finally:
            process.kill()
