"""One comparison of two logs, slice by slice: who stops it can go on from there.

Of a long log only its beginning and its end are compared.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import trio

from ci import blocking
from ci.lineshape import Shapes
from ci.logpiece import read_piece
from ci.newlines import Comparison, Known
from ci.news import NewLine
from ci.onlynumbers import ChangedNumbers, KnownNumbers
from ci.plainlines import Cutter
from ci.server.logs import Logs
from ci.server.views import LogNews

HEAD_BYTES: Final = 4 << 20  # that are compared of a long log …
TAIL_BYTES: Final = 12 << 20  # … and of its end, where it says what went wrong
# Compared in one go: some 2 ms of usual lines, and 60 of such as no two builds print.
SLICE_BYTES: Final = 64 << 10
MISSING_BYTES: Final = 400  # shown of a line that did not come again

Taker = Known | Comparison | KnownNumbers | ChangedNumbers


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Bytes of a log that are compared; they begin with a line, of this number."""

    begin: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What is compared of a log: all of it, or its beginning and its end."""

    id: str
    size: int
    stretches: Sequence[_Stretch]


class Comparing:
    """The comparison of a log with another one."""

    def __init__(self, logs: Logs, id: str, other: str, turn: trio.CapacityLimiter) -> None:
        """Slices of all comparisons take turns at `turn`."""
        self.looked_at = 0  # bytes, of both
        self._logs = logs
        self._ids = id, other
        self._turn = turn
        self._steps: Generator[int] | None = None
        self._found: LogNews | None = None
        self._changed: list[tuple[NewLine, int]] = []

    async def finish(self) -> LogNews:
        """Compare to the end. Cancellation: at each slice; the next call goes on from there.

        It is not to be called again after another exception.
        """
        if self._steps is None:
            log, other = [await self._part(id) for id in self._ids]
            self._steps = self._compare(log, other)
        while step := await blocking.run(next, self._steps, 0, limiter=self._turn):
            self.looked_at += step
        assert self._found is not None
        return await self._with_texts(self._found)

    def _compare(self, log: _Part, other: _Part) -> Generator[int]:
        """Yield the bytes of each slice, but never 0, when it was compared."""
        shapes = Shapes()
        known, numbers = Known(), KnownNumbers()
        other_left_out = yield from self._feed(other, shapes, known, numbers)
        comparison, changed = Comparison(known), ChangedNumbers(numbers)
        left_out = yield from self._feed(log, shapes, comparison, changed)
        self._changed = changed.changes()
        self._found = LogNews(
            comparison.news(), (), left_out, other_left_out, changed_kinds=changed.kinds
        )

    def _feed(self, part: _Part, shapes: Shapes, *takers: Taker) -> Generator[int, None, int]:
        """Give the lines of a log to those who take them; return how many bytes are left out."""
        left_out = part.size
        for stretch in part.stretches:
            cutter, number, offset = Cutter(), stretch.line, stretch.begin
            while data := self._logs.read_now(
                part.id, offset, min(SLICE_BYTES, stretch.end - offset)
            ):
                lines = cutter.cut(data)
                piece = read_piece(shapes, number, lines)
                for taker in takers:
                    taker.add(piece)
                number += len(lines)
                offset += len(data)
                yield len(data)
            if offset == part.size:
                piece = read_piece(shapes, number, cutter.end())
                for taker in takers:
                    taker.add(piece)
            left_out -= offset - stretch.begin
        return left_out

    async def _part(self, id: str) -> _Part:
        size = self._logs.size(id)
        if size <= HEAD_BYTES + TAIL_BYTES:
            return _Part(id, size, [_Stretch(0, size, 1)])
        head = _Stretch(0, HEAD_BYTES, 1)
        line = await self._logs.lines_before(id, size - TAIL_BYTES) + 2
        begin = await self._logs.line_begin(id, line)
        return _Part(id, size, [head] if begin is None else [head, _Stretch(begin, size, line)])

    async def _with_texts(self, found: LogNews) -> LogNews:
        """Add the lines of the other log that are shown."""
        missing = [await self._line(number) for number in found.news.missing_lines]
        changed = [(line, await self._line(number, is_new=False)) for line, number in self._changed]
        return replace(found, missing=tuple(missing), changed=tuple(changed))

    async def _line(self, number: int, *, is_new: bool = True) -> NewLine:
        """Read the beginning of a line of the other log."""
        _, other = self._ids
        begin = await self._logs.line_begin(other, number)
        data = b"" if begin is None else await self._logs.read(other, begin, MISSING_BYTES)
        return NewLine(number, data.partition(b"\n")[0], is_new=is_new)
