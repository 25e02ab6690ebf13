"""Whether the server's disk has room for logs and new builds, or only for ends of builds."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from ci.errors import StoreFailed

log = structlog.get_logger()

FreeBytes = Callable[[Path], int]


class Room:
    """The disk of `folder`, which is the server's data folder.

    The last `min_free` bytes of it belong to the store: an end is some hundred bytes, and must
    always find its place. What is large, or can come later, is refused before it takes them.
    """

    def __init__(
        self,
        folder: Path,
        min_free: int,
        free_bytes: FreeBytes,
        refused: Callable[[], object] = lambda: None,
    ) -> None:
        """`refused` is called for each build and each piece of a log that is not taken."""
        self._folder = folder
        self._min_free = min_free
        self._free_bytes = free_bytes
        self._refused = refused
        self._was_short = False
        self.shortage = trio.Event()  # set, and made anew, when the disk gets short
        self.refused_at = -math.inf  # when something was last refused, in trio's seconds

    def look(self) -> str | None:
        """Look how much is free; return in a sentence for people that it is too little, or None."""
        free = self.free()
        short = free < self._min_free
        if short and not self._was_short:
            log.error(
                "disk short",
                free=free,
                folder=str(self._folder),
                next="no build and no log is taken until there is room",
            )
            self.shortage.set()
            self.shortage = trio.Event()
        elif self._was_short and not short:
            log.info("disk has room again", free=free)
        self._was_short = short
        if not short:
            return None
        return (
            f"The server's disk is short: less than {self._min_free / 1e6:,.1f} MB (minFreeBytes) "
            f"are free in {self._folder}. No build and no log is taken until there is room; "
            "agents keep what they have, and go on by themselves."
        )

    def free(self) -> int:
        """Return how many bytes are free; 0 where that can't be measured."""
        try:
            return self._free_bytes(self._folder)
        except OSError as error:  # a disk that breaks, or a network's that is gone, has no room
            if not self._was_short:
                log.error("disk not measured", folder=str(self._folder), error=str(error))
            return 0

    def demand(self) -> None:
        """Return if logs and new builds may be taken. Raises StoreFailed."""
        if problem := self.look():
            self.refused_at = trio.current_time()
            self._refused()
            raise StoreFailed(problem)
