"""The file in which the secrets of one attempt wait for the agent's next life.

Only the agent's user can read it. All of this blocks on the disk: call it through `ci.blocking`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from ci import logfile
from ci.wire.job import JobSecret

_MODE: Final = 0o600
_SECRETS: Final = TypeAdapter(tuple[JobSecret, ...])


def keep_secrets(path: Path, secrets: Sequence[JobSecret]) -> None:
    """Write them in the place of those that are there; with none there is no file. Raises OSError.

    When this returns, it is on disk.
    """
    if not secrets:
        path.unlink(missing_ok=True)
        logfile.sync_folder(path.parent)
        return
    words = [
        {"name": one.name, "value": one.value.get_secret_value(), "branches": one.branches}
        for one in secrets
    ]
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(words))
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    logfile.sync_folder(path.parent)


def read_secrets(path: Path) -> tuple[JobSecret, ...]:
    """Read them; none where there is no file, or not the one that was written. Raises OSError."""
    try:
        return _SECRETS.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return ()
