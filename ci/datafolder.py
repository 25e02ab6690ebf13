"""A data folder belongs to one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.errors import ConfigError

LOCK_NAME = "lock"


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Make `folder` if needed and keep every other process out of it. Raises ConfigError.

    The lock ends with the process, however that ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"dataDir = {str(folder)!r}: can't be used ({error.strerror}); choose another folder"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"dataDir = {str(folder)!r}: another process uses it; "
                "stop that one or choose another folder"
            ) from None
        yield
    finally:
        os.close(descriptor)
