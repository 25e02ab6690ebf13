"""The tail of a log on a page: it asks for what is added, and knows what the page has already.

A page has no memory of its own on the server: all of it travels in the address of the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quart import request

from ci.errors import Rejected
from ci.server.views import LogView
from ci.web import query
from ci.web.style import Style, read_style
from ci.web.text import Place

# Bytes that a tail may lag behind before the page begins anew at the log's end: a command that
# prints faster than this each second can't be read anyway.
MAX_BEHIND_BYTES: Final = 1 << 20
MAX_SHOWN_ROWS: Final = 20_000  # what a browser still scrolls smoothly; then it begins anew, too


@dataclass(frozen=True, slots=True)
class Tail:
    """What the page has already: it travels in the address of the tail's next question."""

    attempt: str | None
    size: int  # of the log, when it was looked at
    growing: bool
    place: Place
    start: int  # offset of the page's first row
    shown: int  # rows in the page
    version: str
    cut: bool = False  # whether it is known that the log's middle is left out
    fold: int | None = None  # the line with which the section begins that goes on below the rows

    @property
    def query(self) -> dict[str, str | int]:
        """The parameters that `read_tail` reads back."""
        return {
            "attempt": self.attempt or "",
            "size": self.size,
            "growing": int(self.growing),
            "at": self.place.offset,
            "line": self.place.line,
            "inside": int(self.place.inside),
            "style": self.place.style.code,
            "start": self.start,
            "shown": self.shown,
            "v": self.version,
            "cut": int(self.cut),
            "fold": self.fold or "",
        }


def read_tail() -> Tail:
    """Read a tail from the request's address. Raises Rejected."""
    return Tail(
        attempt=query.text("attempt"),
        size=query.number("size") or 0,
        growing=bool(query.number("growing", most=1)),
        place=Place(
            offset=query.number("at") or 0,
            line=query.number("line", least=1) or 1,
            style=_style(query.text("style") or ""),
            inside=bool(query.number("inside", most=1)),
        ),
        start=query.number("start") or 0,
        shown=query.number("shown") or 0,
        version=request.args.get("v", ""),
        cut=bool(query.number("cut", most=1)),
        fold=query.number("fold", least=1),
    )


def _style(code: str) -> Style:
    try:
        return read_style(code)
    except ValueError as error:
        raise Rejected(f"style: {error}", field="style") from error


def is_out_of_date(tail: Tail, log: LogView) -> bool:
    """Whether the page's rows can't be continued and the log must be shown anew."""
    return (
        log.attempt != tail.attempt
        or log.size < tail.place.offset
        or log.size - tail.place.offset > MAX_BEHIND_BYTES
        or tail.shown > MAX_SHOWN_ROWS
        or tail.cut != (log.cut is not None)
        or (tail.cut and tail.growing != log.growing)
    )


def has_news(tail: Tail, log: LogView, *, current: bool) -> bool:
    """Whether the page can be told anything that it does not have.

    `current` says that nothing but bytes may have been added since the page was told last.
    """
    return not current or (log.size, log.growing) != (tail.size, tail.growing)
