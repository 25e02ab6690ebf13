"""How many line ends stand before a place in a log, so that a window in its midst has numbers.

Each byte is counted once: while it is appended, or when a page asks for what was not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import trio

from ci import blocking, logfile

STEP_BYTES: Final = 1 << 20  # between two remembered counts; so much is read for an answer
_STEPS_AT_ONCE: Final = 16  # counted in one go, in some 15 ms; others get their turn between


class LineCounts:
    """Line ends of one log, as far as they were counted. Pieces are added in any order."""

    def __init__(self) -> None:
        self._size = 0  # bytes that were counted
        self._lines = 0
        self._before = [0]  # line ends before each full step
        self._counting = trio.Lock()

    def add(self, offset: int, data: bytes) -> None:
        """Count a piece of the log; one that does not continue what was counted is left out."""
        if not offset <= self._size < offset + len(data) or self._counting.locked():
            return
        self._count(data[self._size - offset :])

    async def before(self, path: Path, offset: int) -> int:
        """Count the line ends in the first `offset` bytes of the log at `path`."""
        async with self._counting:
            while self._size < offset:
                size = self._size
                await blocking.run(self._read_on, path, offset)
                if self._size == size:
                    break  # it is shorter
        step = min(offset // STEP_BYTES, len(self._before) - 1)
        rest = await blocking.run(logfile.count_lines, path, step * STEP_BYTES, offset)
        return self._before[step] + rest

    def _read_on(self, path: Path, offset: int) -> None:
        for _ in range(_STEPS_AT_ONCE):
            data = logfile.read(path, self._size, min(STEP_BYTES, offset - self._size))
            if not data:
                return
            self._count(data)

    def _count(self, data: bytes) -> None:
        while data:
            part = data[: STEP_BYTES - self._size % STEP_BYTES]
            self._lines += part.count(b"\n")
            self._size += len(part)
            if self._size % STEP_BYTES == 0:
                self._before.append(self._lines)
            data = data[len(part) :]
