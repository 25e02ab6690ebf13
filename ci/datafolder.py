"""A data folder belongs to one process at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking
from ci.disk import mount_of
from ci.errors import ConfigError
from ci.outage import Outage

LOCK_NAME: Final = "lock"
LOOK_S: Final = 5.0  # between two looks whether the folder is still ours
REMIND_S: Final = 60.0  # between two log lines about a folder that can't be had

log = structlog.get_logger()


class HeldFolder:
    """A data folder that is ours as long as this process lives and nobody removes its lock."""

    def __init__(self, folder: Path) -> None:
        """Make `folder` if needed and take it. Raises ConfigError."""
        self._folder = folder
        try:
            self._descriptor = _take(folder)
        except BlockingIOError as error:
            raise _taken(folder) from error
        except OSError as error:
            raise ConfigError(
                f"dataDir = {str(folder)!r}: can't be used ({error.strerror}); "
                "choose another folder"
            ) from error

    def close(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)

    async def serve(self) -> None:
        """Take the folder again whenever somebody has removed it, or its lock; never returns.

        What was mounted over it is not ours to write to: it waits then. Raises ConfigError when
        another process was faster: two in one folder would remove each other's files.
        """
        outage = Outage(REMIND_S)
        while True:
            await trio.sleep(LOOK_S)
            try:
                await blocking.run(self._retake)
                outage.over()
            except BlockingIOError as error:
                raise _taken(self._folder) from error
            except OSError as error:  # what was removed may become possible again, too
                if outage.failed() is not None:
                    log.error("data folder not made", path=str(self._folder), error=str(error))

    async def wait_removed(self) -> None:
        """Block until somebody has removed or replaced the folder, or its lock."""
        while True:
            await trio.sleep(LOOK_S)
            if not await blocking.run(self._is_ours):
                return

    def _retake(self) -> None:
        if self._is_ours():
            return
        if self._folder.exists() and mount_of(self._folder) != mount_of(self._descriptor):
            raise OSError(errno.EBUSY, "something was mounted over it: unmount that")
        old, self._descriptor = self._descriptor, _take(self._folder)
        os.close(old)
        log.error("data folder removed", path=str(self._folder), next="it is made again")

    def _is_ours(self) -> bool:
        """Whether the lock is in its place; what can't be looked at may be well again soon."""
        try:
            there = (self._folder / LOCK_NAME).stat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return os.path.samestat(there, os.fstat(self._descriptor))


@contextmanager
def hold_folder(folder: Path) -> Iterator[HeldFolder]:
    """Make `folder` if needed and keep every other process out of it. Raises ConfigError.

    The lock ends with the process, however that ends.
    """
    held = HeldFolder(folder)
    try:
        yield held
    finally:
        held.close()


def _take(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _taken(folder: Path) -> ConfigError:
    return ConfigError(
        f"dataDir = {str(folder)!r}: another process uses it; "
        "stop that one or choose another folder"
    )
