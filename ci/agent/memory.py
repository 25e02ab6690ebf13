"""How much memory the processes of a build have, and the end of a build that has too much.

The system limits each process (`rlimits.py`), and only a cgroup limits their sum. So that is looked
at each LOOK_S; what grows faster meets the limit of each one.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

import structlog
import trio

from ci.model import Reason

LOOK_S: Final = 1.0

# Of shared pages only each process' part, so that many children of one are not taken for more.
_OWN: Final = re.compile(rb"^Pss_(?:Anon|Shmem): +(\d+) kB$", re.MULTILINE)
_KB: Final = 1024

log = structlog.get_logger()


async def watch_memory(
    attempt: str, limit: int, look: Callable[[], Awaitable[int]], stop: Callable[[Reason], None]
) -> None:
    """Call `stop` when `look` says more bytes than `limit`; then return."""
    found = await look()
    while found <= limit:
        await trio.sleep(LOOK_S)
        found = await look()
    log.warning("too much memory", attempt=attempt, found=found, limit=limit)
    stop(Reason.KILLED)


def memory_of(numbers: Iterable[int]) -> int:
    """Bytes that processes have for themselves, files of the disk not counted. Blocks for ms."""
    return _KB * sum(map(_of_one, numbers))


def _of_one(number: int) -> int:
    try:
        said = Path(f"/proc/{number}/smaps_rollup").read_bytes()
    except OSError:  # gone, or not to be looked at
        return 0
    return sum(map(int, _OWN.findall(said)))
