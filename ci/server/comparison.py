"""The new lines of one log against another one, both of any length, so that nobody else waits.

Logs are read in slices, one comparison at a time, and of a long one only its beginning and its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import trio

from ci import blocking
from ci.lineshape import Shapes
from ci.newlines import Comparison, Known, NewLine
from ci.onlynumbers import ChangedNumbers, KnownNumbers
from ci.plainlines import Cutter
from ci.server.logs import Logs
from ci.server.views import LogNews

HEAD_BYTES: Final = 4 << 20  # that are compared of a long log …
TAIL_BYTES: Final = 12 << 20  # … and of its end, where it says what went wrong
READ_BYTES: Final = 1 << 20  # at once
# Compared at once, in some 2 ms of usual lines: no other task waits longer for Python's lock.
SLICE_BYTES: Final = 64 << 10
SHORT_BYTES: Final = 1 << 20  # of both logs, compared in some 20 ms
KNOWN_PAIRS: Final = 16  # that are remembered; each takes some 50 kB, and 2 MB at most
MISSING_BYTES: Final = 400  # shown of a line that did not come again

Taker = Known | Comparison | KnownNumbers | ChangedNumbers


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Bytes of a log that are compared; they begin with a line, of this number."""

    begin: int
    end: int
    line: int


class Comparisons:
    """Compares the logs of attempts that have ended, and remembers what came of it."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self._turn = trio.Lock()  # each takes up to 100 MB while it lasts
        self._known: dict[tuple[str, str], LogNews] = {}

    async def compare(self, id: str, other: str) -> LogNews:
        """Tell what is new in a log against the other one. Cancellation: at each slice."""
        pair = id, other
        if pair not in self._known:
            async with self._turn:
                if pair not in self._known:
                    self._known[pair] = await self._compare(id, other)
        news = self._known[pair]
        self._remember(pair, news)
        return news

    async def compare_short(self, id: str, other: str) -> LogNews | None:
        """Tell the same of two short logs, for which a page can wait; None of longer ones."""
        if self._logs.size(id) + self._logs.size(other) > SHORT_BYTES:
            return None
        pair = id, other
        if pair not in self._known:  # no turn: that of two long logs may last for seconds
            self._remember(pair, await self._compare(id, other))
        return self._known[pair]

    def _remember(self, pair: tuple[str, str], news: LogNews) -> None:
        self._known.pop(pair, None)
        self._known[pair] = news
        if len(self._known) > KNOWN_PAIRS:
            del self._known[next(iter(self._known))]

    async def _compare(self, id: str, other: str) -> LogNews:
        shapes = Shapes()
        known = Known(shapes)
        other_left_out = await self._feed(other, known)
        comparison = Comparison(known, shapes)
        left_out = await self._feed(id, comparison)
        news = await blocking.run(comparison.news)
        missing = [NewLine(line, await self._text(other, line)) for line in news.missing_lines]
        changed = () if news.new else await self._changed(id, other, shapes)
        return LogNews(news, tuple(missing), left_out, other_left_out, changed)

    async def _changed(
        self, id: str, other: str, shapes: Shapes
    ) -> tuple[tuple[NewLine, NewLine], ...]:
        """Find the lines that have only other numbers."""
        known = KnownNumbers(shapes)
        await self._feed(other, known)
        numbers = ChangedNumbers(known, shapes)
        await self._feed(id, numbers)
        found = await blocking.run(numbers.changes)
        return tuple(
            [
                (line, NewLine(place, await self._text(other, place), is_new=False))
                for line, place in found
            ]
        )

    async def _feed(self, id: str, taker: Taker) -> int:
        """Give the lines of a log to who takes them; return how many bytes are left out."""
        size = self._logs.size(id)
        compared = 0
        for stretch in await self._stretches(id, size):
            cutter, number, offset = Cutter(), stretch.line, stretch.begin
            while offset < stretch.end:
                data = await self._logs.read(id, offset, min(READ_BYTES, stretch.end - offset))
                if not data:
                    break  # somebody has removed it
                for begin in range(0, len(data), SLICE_BYTES):
                    piece = data[begin : begin + SLICE_BYTES]
                    number += await blocking.run(_take, taker, number, cutter, piece)
                offset += len(data)
            if offset == size:
                taker.add(number, cutter.end())
            compared += offset - stretch.begin
        return size - compared

    async def _stretches(self, id: str, size: int) -> list[_Stretch]:
        """Choose what is compared of a log: all of it, or its beginning and its end."""
        if size <= HEAD_BYTES + TAIL_BYTES:
            return [_Stretch(0, size, 1)]
        head = _Stretch(0, HEAD_BYTES, 1)
        line = await self._logs.lines_before(id, size - TAIL_BYTES) + 2
        begin = await self._logs.line_begin(id, line)
        return [head] if begin is None else [head, _Stretch(begin, size, line)]

    async def _text(self, id: str, line: int) -> bytes:
        """Read the beginning of a line."""
        begin = await self._logs.line_begin(id, line)
        if begin is None:
            return b""
        data = await self._logs.read(id, begin, MISSING_BYTES)
        return data.partition(b"\n")[0]


def _take(taker: Taker, number: int, cutter: Cutter, piece: bytes) -> int:
    lines = cutter.cut(piece)
    taker.add(number, lines)
    return len(lines)
