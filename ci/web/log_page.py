"""Looking for something in a build's log: lines that were found, and jumps between them.

Each is an address, so it works without a script, can be sent to somebody, and leads back.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from quart import Response, redirect, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Rejected
from ci.server.views import LogHit, LogHits
from ci.web import query
from ci.web.core import Core, the_core
from ci.web.reading import Reading, read_reading

LIST_HITS: Final = 100  # on one page
NOTHING_FOUND: Final = LogHits((), None)


async def find_in_log(number: int) -> ResponseReturnValue:
    """Lead to the line that was found next, behind `after` or before `before`.

    Without a text it is a line that looks like an error. Of a long log only so much is looked at,
    and then the browser is led to ask for the rest.
    """
    core = the_core()
    reading = read_reading()
    after, before = query.number("after"), query.number("before", least=1)
    if (after is None) == (before is None):
        raise Rejected("after: one of after and before is needed", field="after")
    log = await core.log(number, reading.attempt)
    found = NOTHING_FOUND
    if log.attempt is not None and before is not None:
        found = await core.find_before(log.attempt, reading.text, before, 1)
    elif log.attempt is not None and after is not None:
        found = await core.find_after(log.attempt, reading.text, after, 1)
    if found.hits:
        return _to_line(number, reading, found.hits[0].line)
    side = "after" if before is None else "before"
    if found.next is not None:
        rest = reading.query(**{side: found.next})
        return _to(url_for("pages.find_in_log", number=number, **rest))
    none = reading.query(none=side)
    return _to(url_for("pages.build", number=number, _anchor="logbar", **none))


@dataclass(frozen=True, slots=True)
class HitList:
    """Lines of a log that have a text, those behind a line or before one, and where there are more.

    `is_more` says that there certainly are; else nobody has looked there yet.
    """

    hits: tuple[LogHit, ...]
    is_more: bool
    after: int = 0
    before: int | None = None
    earlier: int | None = None  # the `before` of the list above this one
    later: int | None = None  # the `after` of the list below it


async def list_hits(core: Core, attempt: str | None, reading: Reading) -> HitList | None:
    """Find the lines for a page that lists them; None when the page shows the log itself."""
    if reading.text is None or reading.marked or attempt is None:
        return None
    before, after = query.number("before", least=1), query.number("after") or 0
    if before is not None:
        found = await core.find_before(attempt, reading.text, before, LIST_HITS + 1)
        hits, is_more = found.hits[-LIST_HITS:], len(found.hits) > LIST_HITS
        earlier = hits[0].line if is_more else found.next
        return HitList(hits, is_more, before=before, earlier=earlier, later=before - 1)
    found = await core.find_after(attempt, reading.text, after, LIST_HITS + 1)
    hits, is_more = found.hits[:LIST_HITS], len(found.hits) > LIST_HITS
    later = hits[-1].line if is_more else found.next
    return HitList(hits, is_more, after, earlier=after + 1 if after else None, later=later)


def nothing_found(reading: Reading) -> str | None:
    """Say that a jump led nowhere, if the address says so. Raises Rejected."""
    side = query.text("none")
    if side is None:
        return None
    words = {"after": "below", "before": "above"}
    if side not in words:
        raise Rejected("none: must be after or before", field="none")
    what = "No line looks like an error" if reading.text is None else "The text is in no line"
    if not reading.marked:
        return f"{what}." if reading.text is None else f"{what} of this log."
    return f"{what} {words[side]} line {reading.line}."


def _to_line(number: int, reading: Reading, line: int) -> ResponseReturnValue:
    there = reading.query(line=line)
    return _to(url_for("pages.build", number=number, _anchor=f"L{line}", **there))


def _to(address: str) -> ResponseReturnValue:
    answer = redirect(address, HTTPStatus.SEE_OTHER)
    assert isinstance(answer, Response)
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer
