"""Looking for a text, or for errors, in a log of any length, so that nobody else waits for it.

A log is read in slices; between two of them others have their turn, and a reader who leaves ends
the work. All who look for something do so one slice at a time, whatever number of them there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from ci import blocking, escapes
from ci.errorlines import find_errors
from ci.server.logs import Logs
from ci.server.views import LogHit, LogHits

SLICE_BYTES: Final = 512 << 10  # looked at in some 1 ms for a text, 4 ms for errors
SEARCH_BYTES: Final = 256 << 20  # in one request, about half a second; then the reader goes on
# Bytes looked at for the first error when a page asks: so much a page can wait for. The next look
# goes on from there.
LOOK_BYTES: Final = 4 << 20
KNOWN_LOGS: Final = 1000  # whose first error is remembered
OVERLAP_BYTES: Final = 4000  # of two slices within one line: longer than what is looked for
BEFORE_CHARS: Final = 40  # shown of a line before what was found …
AFTER_CHARS: Final = 200  # … and of it, and after it

Find = Callable[[bytes], Iterator[tuple[int, int]]]


def find_text(wanted: str, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each place of a text; case matters if it has a capital letter."""
    text = wanted.encode("utf-8", "replace")
    if wanted == wanted.lower():
        data = data.lower()  # letters of ASCII; it keeps its length
    position = data.find(text)
    while position >= 0:
        yield position, position + len(text)
        position = data.find(text, position + len(text))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a slice brought, and where the next one begins."""

    hits: list[LogHit]
    offset: int
    line: int


class LogSearch:
    """Finds lines in the logs of attempts; a text of None means what looks like an error."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self._turn = trio.CapacityLimiter(1)
        self._known: dict[str, LogHits] = {}

    async def after(
        self, id: str, text: str | None, line: int, most: int, *, bound: int = SEARCH_BYTES
    ) -> LogHits:
        """Find up to `most` lines behind `line`, looking at no more than about `bound` bytes.

        Cancellation: at each slice.
        """
        hits: list[LogHit] = []
        size = self._logs.size(id)
        begin = offset = await self._logs.line_begin(id, line + 1)
        now_at = line + 1
        while offset is not None and begin is not None and offset - begin < bound:
            data = await self._logs.read(id, offset, SLICE_BYTES)
            if not data:
                break
            work = partial(_look, data, _finder(text), offset, now_at, size=size, most=most)
            found = await blocking.run(work, limiter=self._turn)
            # A line that is longer than a slice is looked at in several.
            hits += [hit for hit in found.hits if not hits or hit.line != hits[-1].line]
            if len(hits) >= most:
                return LogHits(tuple(hits[:most]), hits[most - 1].line)
            offset, now_at = found.offset, found.line
            if offset >= size:
                return LogHits(tuple(hits), None)
        # Of a line that is longer than the bound the rest is left out, or nobody would get past it.
        return LogHits(tuple(hits), None if offset is None else max(now_at - 1, line + 1))

    async def before(self, id: str, text: str | None, line: int) -> LogHits:
        """Find the last line before `line`, looking at no more than about `SEARCH_BYTES`."""
        size = self._logs.size(id)
        end = await self._logs.line_begin(id, line)
        start = end = size if end is None else end
        while end > 0 and start - end < SEARCH_BYTES:
            low = max(0, end - SLICE_BYTES)
            data = await self._logs.read(id, low, end - low)
            if not data:
                break
            skip = data.find(b"\n") + 1 if low else 0
            skip = 0 if skip == len(data) else skip
            first = await self._logs.lines_before(id, low + skip) + 1
            work = partial(_look, data[skip:], _finder(text), low + skip, first, size=end)
            found = await blocking.run(work, limiter=self._turn)
            if found.hits:
                return LogHits((found.hits[-1],), found.hits[-1].line)
            end, line = low + skip, first
        return LogHits((), line if end > 0 else None)

    async def first_error(self, id: str) -> LogHits:
        """Return the first line that looks like an error, of a log that has ended; remembered.

        Looks only at a piece of the log; the next call goes on. `next` is None when that is over.
        """
        known = self._known.get(id, LogHits((), 0))
        if not known.hits and known.next is not None:
            known = await self.after(id, None, known.next, 1, bound=LOOK_BYTES)
        self._known.pop(id, None)
        self._known[id] = known
        if len(self._known) > KNOWN_LOGS:
            del self._known[next(iter(self._known))]
        return known


def _finder(text: str | None) -> Find:
    return find_errors if text is None else partial(find_text, text)


def _look(
    data: bytes, find: Find, offset: int, line: int, *, size: int, most: int | None = None
) -> _Found:
    """Look through the whole lines of a slice that begins at `offset`, with that line.

    `size` is the log's: there the last line ends.
    """
    end = len(data)
    if offset + end < size:
        end = data.rfind(b"\n") + 1 or max(end - OVERLAP_BYTES, 1)
    plain = escapes.strip(data[:end])
    hits: list[LogHit] = []
    counted, behind = 0, 0
    for begin, stop in find(plain):
        if begin < behind:
            continue  # one in each line is enough
        line += plain.count(b"\n", counted, begin)
        counted = begin
        hits.append(_hit(plain, begin, stop, line))
        behind = plain.find(b"\n", stop)
        if behind < 0 or len(hits) == most:
            break
    return _Found(hits, offset + end, line + plain.count(b"\n", counted))


def _hit(plain: bytes, begin: int, stop: int, line: int) -> LogHit:
    """Show a line around the place that was found."""
    line_begin = plain.rfind(b"\n", 0, begin) + 1
    line_end = plain.find(b"\n", stop)
    line_end = len(plain) if line_end < 0 else line_end
    before = plain[max(line_begin, begin - 4 * BEFORE_CHARS) : begin].decode("utf-8", "replace")
    text = plain[begin : min(stop, begin + 4 * AFTER_CHARS)].decode("utf-8", "replace")
    after = plain[stop : min(line_end, stop + 4 * AFTER_CHARS)].decode("utf-8", "replace")
    return LogHit(
        line,
        _shown(before[-BEFORE_CHARS:]).lstrip(),
        _shown(text[:AFTER_CHARS]),
        _shown(after[: max(AFTER_CHARS - len(text), 0)]).rstrip(),
    )


def _shown(text: str) -> str:
    """Put a space in the place of what would not be seen, or would turn the text around."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
