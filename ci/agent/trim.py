"""Frees the disk of what no log will have, while the command still prints it.

Nothing stands between a command and its file, so nothing can throw bytes away before they are
written. Instead the middle of a file that is over its limit becomes a hole: the size and all
offsets stay as they are, the disk gets the space back.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import structlog
import trio

from ci import blocking
from ci.agent.output import Output

LOOK_S: Final = 0.1  # between two looks; the fastest command prints some 200 MB meanwhile
STEP_BYTES: Final = 1 << 20  # freed at once, at least

_KEEP_SIZE: Final = 0x01  # FALLOC_FL_KEEP_SIZE and
_PUNCH_HOLE: Final = 0x02  # FALLOC_FL_PUNCH_HOLE of linux/falloc.h

log = structlog.get_logger()


async def serve_trimming(output: Output, attempt: str) -> None:
    """Free the middle of `output` again and again, as long as it may grow; never returns.

    On a file system that has no holes, the file grows: that is said once. No trouble of the disk
    ends this, since that would cancel what goes on beside it.
    """
    freed, said = 0, False
    while True:
        await trio.sleep(LOOK_S)  # most commands are over before there is anything to see
        try:
            middle = output.middle(await output.look())
            begin = max(freed, middle.start)
            if middle.stop - begin >= STEP_BYTES:
                await blocking.run(punch_hole, output.path, begin, middle.stop - begin)
                freed = middle.stop
        except OSError as error:
            if not said:
                log.warning("output not trimmed on disk", attempt=attempt, error=str(error))
            said = True


def punch_hole(path: Path, offset: int, length: int) -> None:
    """Give the disk back what `length` bytes from `offset` take; they read as NULs from then on.

    Raises OSError, for example when the file system can't do it.
    """
    descriptor = os.open(path, os.O_WRONLY)
    try:
        arguments = (ctypes.c_int64(offset), ctypes.c_int64(length))
        if _fallocate()(descriptor, _KEEP_SIZE | _PUNCH_HOLE, *arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)


@cache
def _fallocate() -> Any:
    """Return the C library's function, which Python has only without the flags."""
    library = ctypes.CDLL(None, use_errno=True)
    # Where both are there, only this one takes offsets of 64 bits on every machine.
    return getattr(library, "fallocate64", None) or library.fallocate
