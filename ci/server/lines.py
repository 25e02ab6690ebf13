"""How many line ends stand before a place in a log, and where a line begins.

So a window in a log's midst has numbers, and a link to a line leads there. Each byte is counted
once: while it is appended, or when a page asks for what was not.
"""

from __future__ import annotations

from bisect import bisect_left
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
        await self._count_to(path, offset)
        step = min(offset // STEP_BYTES, len(self._before) - 1)
        rest = await blocking.run(logfile.count_lines, path, step * STEP_BYTES, offset)
        return self._before[step] + rest

    async def begin(self, path: Path, line: int, size: int) -> int | None:
        """Find the offset at which a line begins; None if the first `size` bytes have no such."""
        ends = line - 1  # that stand before it
        await self._count_to(path, size, ends)
        # The last step before which there are too few: in it stands the line end that counts.
        step = max(bisect_left(self._before, ends) - 1, 0)
        left = ends - self._before[step]
        data = await blocking.run(logfile.read, path, step * STEP_BYTES, STEP_BYTES)
        behind = _behind_line_end(data, left)
        if behind is None or step * STEP_BYTES + behind >= size:
            return None
        return step * STEP_BYTES + behind

    async def _count_to(self, path: Path, offset: int, ends: int | None = None) -> None:
        """Count up to `offset`, or until there were so many line ends."""
        async with self._counting:
            while self._size < offset and (ends is None or self._lines < ends):
                size = self._size
                await blocking.run(self._read_on, path, offset)
                if self._size == size:
                    break  # it is shorter

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


def _behind_line_end(data: bytes, count: int) -> int | None:
    """Find the place right behind so many line ends, by halves: none is looked at by itself."""
    if count == 0:
        return 0
    begin, end = 0, len(data)
    if data.count(b"\n") < count:
        return None
    while end - begin > 1:
        middle = (begin + end) // 2
        found = data.count(b"\n", begin, middle)
        if found >= count:
            end = middle
        else:
            count -= found
            begin = middle
    return end
