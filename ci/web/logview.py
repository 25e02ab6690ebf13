"""What a page shows of a log: a window of it, or what was added below one. No HTML here.

A log of any size costs the same: at most a window is read, made into rows and kept in the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ci.errorlines import find_errors
from ci.escapes import strip
from ci.server.views import LogView
from ci.turns import give_way
from ci.web.core import Core
from ci.web.logtail import Tail
from ci.web.style import PLAIN, style_after
from ci.web.text import NOTHING, Place, Row, rows, unfinished
from ci.wire.result import LOG_MARK_ROOM

WINDOW_BYTES: Final = 256 << 10  # of one page
WINDOW_LINES: Final = 2000  # of one page, and of what is added to one at a time
# Bytes that are made into rows before other requests have their turn: less than a millisecond of
# usual output, and some 15 of what is made to be slow.
SLICE_BYTES: Final = 8 << 10
# Lines that a page may lag behind before it begins anew at the log's end, like `MAX_BEHIND_BYTES`.
MAX_BEHIND_LINES: Final = 4 * WINDOW_LINES
# What is shown above a line that a link leads to: what led to it, and still a quick page.
ABOVE_BYTES: Final = WINDOW_BYTES // 4
ABOVE_LINES: Final = 500
# Where it is looked for the colour in which a window begins. Who sets one that lasts longer gets it
# only in what is read from there.
LOOK_BACK_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class LogShown:
    """Rows for a page. `pending` is the line that is still being written, shown provisionally."""

    rows: list[Row]
    pending: Row | None
    tail: Tail
    live: bool  # whether the page asks for more by itself
    earlier: bool = False  # whether there is more above
    later: int | None = None  # the offset from which there is more below
    ours: range = NOTHING  # where the words stand that the log's middle is left out
    cut_off: bool = False  # whether nothing follows these words: the log's own end did not come
    no_line: int | None = None  # the line that was asked for, where there is none
    continues: int | None = None  # the section on the page, by its line, to which the rows belong
    errors: frozenset[int] = frozenset()  # lines in folded rows that look like an error

    @property
    def has_sections(self) -> bool:
        """Whether there is anything that can be folded."""
        return any(row.fold is not None for row in self.rows)


async def continue_log(
    core: Core, tail: Tail, log: LogView, *, ended: bool, version: str
) -> LogShown | None:
    """Bring what was added since `tail`, or its first lines; None when it is too much to follow.

    `version` is a stamp from before `log` was asked.
    """
    data = await _read(core, log, tail.place.offset, log.size)
    if data.count(b"\n") > MAX_BEHIND_LINES:
        return None
    data = _first_lines(data)
    ours = await _ours(core, log)
    made, pending, after = await _rows(log, data, tail.place, ours)
    read_to = tail.place.offset + len(data)
    return LogShown(
        rows=made,
        pending=pending,
        tail=Tail(
            log.attempt,
            read_to,
            log.growing,
            after,
            tail.start,
            tail.shown + len(made),
            version,
            tail.cut,
            _open_section(made, tail.fold),
        ),
        continues=tail.fold,
        errors=_errors(made, data, tail.place.line),
        live=not ended or log.growing or read_to < log.size,
    )


async def open_log(
    core: Core,
    log: LogView,
    *,
    begin: int | None = None,
    end: int | None = None,
    line: int | None = None,
    ended: bool,
    version: str,
) -> LogShown:
    """Open a window that begins at `begin`, or ends at `end`, or shows a line, or the log's end."""
    if begin is None and end is None and line is not None and log.attempt is not None:
        found = await core.log_line_begin(log.attempt, line)
        if found is not None:
            begin, _ = await _backwards(core, log, found, ABOVE_BYTES, ABOVE_LINES)
    if begin is not None:
        start = min(begin, log.size)
        data = _first_lines(await _read(core, log, start, log.size))
    else:
        start, data = await _backwards(core, log, min(log.size if end is None else end, log.size))
    ours = await _ours(core, log)
    place = await _place(core, log, start, ours)
    made, pending, after = await _rows(log, data, place, ours)
    if begin is None and (rest := unfinished(data[after.offset - start :], after)) and not pending:
        # What follows in the same line is in the window from which the reader came here.
        made.append(rest)
        after = Place(start + len(data), after.line, after.style, inside=True)
    read_to = start + len(data)
    at_end = read_to >= log.size
    return LogShown(
        rows=made,
        pending=pending,
        tail=Tail(
            log.attempt,
            read_to,
            log.growing,
            after,
            start,
            len(made),
            version,
            bool(ours),
            _open_section(made, None),
        ),
        errors=_errors(made, data, place.line),
        live=at_end and (not ended or log.growing),
        earlier=start > 0,
        later=None if at_end else after.offset,
        ours=ours,
        cut_off=ours.stop == log.size,
        no_line=line if line is not None and begin is None and end is None else None,
    )


async def _backwards(
    core: Core, log: LogView, end: int, most_bytes: int = WINDOW_BYTES, lines: int = WINDOW_LINES
) -> tuple[int, bytes]:
    """Read the window that ends at `end`, from the beginning of a line if there is one."""
    low = max(0, end - most_bytes)
    data = await _read(core, log, low, end)
    skip = data.find(b"\n") + 1 if low else 0
    if skip == len(data):
        skip = 0
    position = len(data) - 1  # the last byte: a line end there ends the last line
    for _ in range(lines):
        position = data.rfind(b"\n", 0, max(position, 0))
        if position < 0:
            break
    skip = max(skip, position + 1)
    return low + skip, data[skip:]


async def _place(core: Core, log: LogView, start: int, ours: range) -> Place:
    """Say what holds where a window begins: its line, and the colours that were set above it."""
    if log.attempt is None or start == 0:
        return Place()
    lines = await core.log_lines_before(log.attempt, start)
    # Behind our own words the command's colours are as at the log's beginning.
    low = max(start - LOOK_BACK_BYTES, ours.stop if ours.stop <= start else 0)
    above = await _read(core, log, low, start)
    inside = not above.endswith(b"\n") if above else False
    return Place(start, lines + 1, style_after(above, PLAIN), inside)


def _first_lines(data: bytes) -> bytes:
    position = 0
    for _ in range(WINDOW_LINES):
        position = data.find(b"\n", position) + 1
        if position == 0:
            return data
    return data[:position]


async def _read(core: Core, log: LogView, begin: int, end: int) -> bytes:
    if log.attempt is None or begin >= end:
        return b""
    return await core.read_log(log.attempt, begin, min(end - begin, WINDOW_BYTES))


async def _ours(core: Core, log: LogView) -> range:
    """Find the two lines that say that the log's middle is left out."""
    if log.cut is None:
        return NOTHING
    words = await _read(core, log, log.cut, min(log.size, log.cut + LOG_MARK_ROOM))
    size = sum(map(len, words.splitlines(keepends=True)[:2]))
    return range(log.cut, log.cut + size)


async def _rows(
    log: LogView, data: bytes, place: Place, ours: range
) -> tuple[list[Row], Row | None, Place]:
    """Make rows of `data`, and one of an unfinished line at the log's end."""
    made: list[Row] = []
    after = place
    for end in range(SLICE_BYTES, len(data) + SLICE_BYTES, SLICE_BYTES):
        more, after = rows(data[after.offset - place.offset : end], after, ours)
        made += more
        await give_way()
    read_to = place.offset + len(data)
    if read_to < log.size:
        return made, None, after
    pending = unfinished(data[after.offset - place.offset :], after)
    if pending is None or log.growing:
        return made, pending, after
    # Nobody will finish this line any more.
    return [*made, pending], None, Place(read_to, after.line, after.style, inside=True)


def _open_section(made: list[Row], before: int | None) -> int | None:
    """Return the line with which the section begins that is open behind these rows."""
    for row in reversed(made):
        if row.fold is not None:
            return row.line if row.fold.heading is not None else None
    return before


def _errors(made: list[Row], data: bytes, line: int) -> frozenset[int]:
    """Find the lines that look like an error, where that decides what is folded."""
    if not any(row.fold for row in made):
        return frozenset()
    plain, counted, found = strip(data), 0, set()
    for begin, _ in find_errors(plain):
        line += plain.count(b"\n", counted, begin)
        counted = begin
        found.add(line)
    return frozenset(found)
