"""How many line ends stand before a place in a log, and where a line begins.

So a window in a log's midst has numbers, and a link to a line leads there. Each byte is counted
once: while it is appended, or when a page asks for what was not. The next start finds what was
counted beside the log (`linemarks.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio

from ci import blocking, logfile
from ci.server.linemarks import STEP_BYTES, read_marks, write_marks

_STEPS_AT_ONCE: Final = 16  # counted in one go, in some 15 ms; others get their turn between


class LineCounts:
    """Line ends of one log, as far as they were counted. Pieces are added in any order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0  # bytes that were counted
        self._lines = 0
        self._before = [0]  # line ends before each full step
        self._has_looked = False  # for what was counted in an earlier life
        self._saved = 0  # full steps of which the next life will find the count
        self._counting = trio.Lock()

    def add(self, offset: int, data: bytes) -> None:
        """Count a piece of the log; one that does not continue what was counted is left out."""
        if not offset <= self._size < offset + len(data) or self._counting.locked():
            return
        self._count(data[self._size - offset :])

    async def before(self, offset: int) -> int:
        """Count the line ends in the first `offset` bytes of the log."""
        await self._count_to(offset)
        step = min(offset // STEP_BYTES, len(self._before) - 1)
        rest = await blocking.run(logfile.count_lines, self._path, step * STEP_BYTES, offset)
        return self._before[step] + rest

    async def begin(self, line: int, size: int) -> int | None:
        """Find the offset at which a line begins; None if the first `size` bytes have no such."""
        ends = line - 1  # that stand before it
        await self._count_to(size, ends)
        # The last step before which there are too few: in it stands the line end that counts.
        step = max(bisect_left(self._before, ends) - 1, 0)
        left = ends - self._before[step]
        data = await blocking.run(logfile.read, self._path, step * STEP_BYTES, STEP_BYTES)
        behind = _behind_line_end(data, left)
        if behind is None or step * STEP_BYTES + behind >= size:
            return None
        return step * STEP_BYTES + behind

    @property
    def unsaved_bytes(self) -> int:
        """How many bytes were counted, in full steps, of which the next life would not know."""
        return (len(self._before) - 1 - self._saved) * STEP_BYTES

    async def save(self) -> None:
        """Let the next life find what was counted since the last time."""
        first, steps = self._saved, self._before[self._saved + 1 :]
        if steps:
            with suppress(OSError):  # as by a full disk; what is not found is counted again
                await blocking.run(write_marks, self._path, first, steps)
                self._saved = first + len(steps)

    async def finish(self, size: int) -> None:
        """Count the log to its end, which is at `size`, and save all, whatever was saved before."""
        await self._count_to(size)
        self._saved = 0
        await self.save()

    async def _count_to(self, offset: int, ends: int | None = None) -> None:
        """Count up to `offset`, or until there were so many line ends."""
        async with self._counting:
            if not self._has_looked:
                await blocking.run(self._look)
            while self._size < offset and (ends is None or self._lines < ends):
                size = self._size
                await blocking.run(self._read_on, offset)
                if self._size == size:
                    break  # it is shorter
        await self.save()

    def _look(self) -> None:
        self._has_looked = True
        counts = read_marks(self._path)
        if len(counts) >= len(self._before):
            self._before = [0, *counts]
            self._lines = counts[-1]
            self._size = len(counts) * STEP_BYTES
            self._saved = len(counts)

    def _read_on(self, offset: int) -> None:
        for _ in range(_STEPS_AT_ONCE):
            data = logfile.read(self._path, self._size, min(STEP_BYTES, offset - self._size))
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
