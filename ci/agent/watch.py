"""Looks after a command while it runs: whether it prints, and has a folder to print into."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking, logfile
from ci.agent.spool import Folder
from ci.model import Reason

POLLS: Final = 20  # looks at the log within one silence limit
MAX_POLL_S: Final = 1.0

log = structlog.get_logger()


async def watch(folder: Folder, silence_s: float | None, stop: Callable[[Reason], None]) -> None:
    """Call `stop` when the log has not grown for `silence_s`, or when the folder was removed.

    What is printed into a removed log is lost and its end is never known: the sooner that is
    said, the better.
    """
    limit_s = math.inf if silence_s is None else silence_s
    size, since = await blocking.run(_size, folder.output), trio.current_time()
    while trio.current_time() - since < limit_s:
        await trio.sleep(min(limit_s / POLLS, MAX_POLL_S))
        missing, grown = await blocking.run(_look, folder)
        if missing:
            log.error("folder removed", attempt=folder.path.name, path=str(missing))
            stop(Reason.INTERNAL)
            return
        if grown != size:
            size, since = grown, trio.current_time()
    stop(Reason.SILENCE)


def _look(folder: Folder) -> tuple[Path | None, int]:
    return folder.missing(started=True), _size(folder.output)


def _size(path: Path) -> int:
    """Bytes in a file; a disk that fails for a while ends nothing."""
    try:
        return logfile.size(path)
    except OSError:
        return 0
