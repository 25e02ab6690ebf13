"""Looking for a text, or for errors, in a log of any length, so that nobody else waits for it.

A log is read in slices; between two of them others have their turn, and a reader who leaves ends
the work. All who look for something do so one slice at a time, whatever number of them there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import re2
import trio

from ci import blocking, escapes
from ci.errorlines import find_errors
from ci.folds import read_fold
from ci.plainlines import plain, seen
from ci.server.logs import Logs
from ci.server.views import LogHit, LogHits

SLICE_BYTES: Final = 1 << 20  # read and looked at in some 2 ms
SEARCH_BYTES: Final = 256 << 20  # in one request, about half a second; then the reader goes on
# What a page may wait for the first error: some 10 MB. The next look goes on from there.
PAGE_LOOK_S: Final = 0.05
# A short log is one slice; it is looked through on a busy machine, too.
SHORT_LOOK_S: Final = 1.0
# And what the answer to a result may wait for it, so that the page has it soon: some 600 MB.
END_LOOK_S: Final = 2.0
END_LOOK_BYTES: Final = 4 << 20  # a shorter log is looked through when somebody looks at the page
KNOWN_LOGS: Final = 1000  # whose first error is remembered
OVERLAP_BYTES: Final = 4000  # of two slices within one line: longer than what is looked for
BEFORE_CHARS: Final = 40  # shown of a line before what was found …
AFTER_CHARS: Final = 200  # … and of it, and after it


def _any_case() -> re2.Options:
    """How a text is looked for that has other letters than ASCII; any bytes may be around it."""
    options = re2.Options()
    options.literal = True
    options.case_sensitive = False
    options.never_capture = True
    return options


_ANY_CASE: Final = _any_case()

Find = Callable[[bytes], Iterator[tuple[int, int]]]


def find_text(wanted: str, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a text begins and ends in each line; a capital letter in it makes case matter."""
    find = _finder_of(wanted, data)
    found = find(0)
    while found is not None:
        yield found
        line_end = data.find(b"\n", found[1])
        found = None if line_end < 0 else find(line_end)


def _finder_of(wanted: str, data: bytes) -> Callable[[int], tuple[int, int] | None]:
    """Return what finds the next place from a position on."""
    text = wanted.encode("utf-8", "replace")
    if wanted == wanted.lower() and not wanted.isascii():
        pattern = re2.compile(text, _ANY_CASE)

        def find_letters(position: int) -> tuple[int, int] | None:
            match = pattern.search(data, position)
            return None if match is None else match.span()

        return find_letters
    if wanted == wanted.lower():
        data = data.lower()  # letters of ASCII; it keeps its length

    def find(position: int) -> tuple[int, int] | None:
        begin = data.find(text, position)
        return None if begin < 0 else (begin, begin + len(text))

    return find


def whole_line(number: int, text: bytes) -> LogHit:
    """Show a line for its own sake."""
    [shown] = plain([text])
    return replace(_around(shown, 0, len(shown)), line=number)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a slice brought, and which part of the log was looked at."""

    hits: list[LogHit]
    begin: int
    end: int


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
        found = await self._after(id, text, line, most, bound=bound)
        if text is None and id in self._known and self._known[id] == LogHits((), line):
            self._remember(id, found)  # who followed the page's link has looked on
        return found

    async def _after(
        self, id: str, text: str | None, line: int, most: int, *, bound: int
    ) -> LogHits:
        hits: list[LogHit] = []
        size = self._logs.size(id)
        begin = await self._logs.line_begin(id, line + 1)
        if begin is None:
            return LogHits((), None)
        offset = begin
        while offset - begin < bound:
            found = await self._look(id, text, offset, offset + SLICE_BYTES, size, most=most)
            # A line that is longer than a slice is looked at in several.
            hits += [hit for hit in found.hits if not hits or hit.line != hits[-1].line]
            if len(hits) >= most:
                return LogHits(tuple(hits[:most]), hits[most - 1].line)
            offset = found.end
            if offset >= size:
                return LogHits(tuple(hits), None)
        # Of a line that is longer than the bound the rest is left out, or nobody would get past it.
        return LogHits(tuple(hits), max(await self._logs.lines_before(id, offset), line + 1))

    async def before(self, id: str, text: str | None, line: int, most: int = 1) -> LogHits:
        """Find up to `most` lines right before `line`, looking at about `SEARCH_BYTES` at most.

        `next` is the line before which one goes on.
        """
        hits: list[LogHit] = []
        size = self._logs.size(id)
        end = await self._logs.line_begin(id, line)
        start = end = size if end is None else end
        while end > 0 and start - end < SEARCH_BYTES:
            begin = max(0, end - SLICE_BYTES)
            found = await self._look(id, text, begin, end, end, most=most, upwards=True)
            # A line that is longer than a slice is looked at in several.
            hits = [hit for hit in found.hits if not hits or hit.line != hits[0].line] + hits
            if len(hits) >= most:
                return LogHits(tuple(hits[-most:]), hits[-most].line)
            end = found.begin
        rest = await self._logs.lines_before(id, end) + 1 if end > 0 else None
        return LogHits(tuple(hits), rest)

    async def first_error(self, id: str) -> LogHits:
        """Return the first line that looks like an error, of a log that has ended; remembered.

        Looks as long as the caller lets it; the next call goes on. `next` is None when all was
        looked at. Cancellation: at each slice.
        """
        known = self.known_error(id)
        while not known.hits and known.next is not None:
            known = await self._after(id, None, known.next, 1, bound=SLICE_BYTES)
            self._remember(id, known)
        return known

    def known_error(self, id: str) -> LogHits:
        """Return what is known of the first error; `next` is where nobody has looked yet."""
        return self._known.get(id, LogHits((), 0))

    def _remember(self, id: str, found: LogHits) -> None:
        self._known.pop(id, None)
        self._known[id] = LogHits(found.hits[:1], found.next)
        if len(self._known) > KNOWN_LOGS:
            del self._known[next(iter(self._known))]

    async def _look(
        self,
        id: str,
        text: str | None,
        begin: int,
        end: int,
        size: int,
        *,
        most: int,
        upwards: bool = False,
    ) -> _Found:
        """Look at a slice, in a thread; lines are counted only where something was found."""

        def look() -> _Found:
            data = self._logs.read_now(id, begin, end - begin)
            return _look(data, _finder(text), begin, size, most=most, upwards=upwards)

        found = await blocking.run(look, limiter=self._turn)
        if not found.hits:
            return found
        first = await self._logs.lines_before(id, found.begin) + 1
        return replace(found, hits=[replace(hit, line=first + hit.line) for hit in found.hits])


def _finder(text: str | None) -> Find:
    return find_errors if text is None else partial(find_text, text)


def _look(data: bytes, find: Find, begin: int, size: int, *, most: int, upwards: bool) -> _Found:
    """Look through the whole lines of a slice that begins at `begin`; its first line is line 0.

    `size` is the log's: there the last line ends. Who looks `upwards` has its beginning later.
    """
    if not data:  # the log is shorter, or gone
        return _Found([], 0, size)
    if upwards and begin > 0:
        skip = data.find(b"\n") + 1
        skip = 0 if skip == len(data) else skip
        data, begin = data[skip:], begin + skip
    end = len(data)
    if begin + end < size:
        end = data.rfind(b"\n") + 1 or max(end - OVERLAP_BYTES, 1)
    shown = seen(escapes.strip(data[:end]))
    hits: list[LogHit] = []
    line = counted = 0
    for place, stop in reversed(list(find(shown))) if upwards else find(shown):
        line += shown.count(b"\n", counted, place) - shown.count(b"\n", place, counted)
        counted = place
        hit = _hit(shown, place, stop, find)
        if hit is not None:
            hits.append(replace(hit, line=line))
        if len(hits) == most:
            break
    return _Found(hits[::-1] if upwards else hits, begin, begin + end)


def _hit(shown: bytes, begin: int, stop: int, find: Find) -> LogHit | None:
    """Show the line of a place that was found; None where a page does not show that place."""
    line_begin = shown.rfind(b"\n", 0, begin) + 1
    line_end = shown.find(b"\n", stop)
    line = shown[line_begin : len(shown) if line_end < 0 else line_end]
    fold = read_fold(line)
    if fold is None:
        return _around(line, begin - line_begin, stop - line_begin)
    place = next(find(fold.text), None)
    return None if place is None else _around(fold.text, *place)


def _around(line: bytes, begin: int, stop: int) -> LogHit:
    """Show a line around the place that was found."""
    before = line[max(0, begin - 4 * BEFORE_CHARS) : begin].decode("utf-8", "replace")
    text = line[begin : min(stop, begin + 4 * AFTER_CHARS)].decode("utf-8", "replace")
    after = line[stop : stop + 4 * AFTER_CHARS].decode("utf-8", "replace")
    return LogHit(
        0,
        _shown(before[-BEFORE_CHARS:]).lstrip(),
        _shown(text[:AFTER_CHARS]),
        _shown(after[: max(AFTER_CHARS - len(text), 0)]).rstrip(),
    )


def _shown(text: str) -> str:
    """Put a space in the place of what would not be seen, or would turn the text around."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
