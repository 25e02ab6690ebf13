"""How somebody reads a log, beside the place: what is marked and looked for. It is in addresses.

What a page marks is made on the server: the number of a line is a link to the same page with that
line marked, and from there each other number marks up to it. `static/fragment.js` leads to the same
addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from ci.errors import Rejected
from ci.model import MAX_NUMBER
from ci.web import query

_NO_LINES: Final = range(0)
_MARK: Final = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


@dataclass(frozen=True, slots=True)
class Reading:
    """What an address says of how the log of `attempt` is read; None means the latest one."""

    attempt: str | None = None
    marked: range = _NO_LINES  # numbers of lines
    text: str | None = None  # that is looked for
    unfolded: bool = False  # whether all sections are open
    timed: bool = False  # whether each line has its time

    def query(self, **more: str | int) -> dict[str, Any]:
        """Return the parameters of an address elsewhere in the log, read the same way."""
        own = {"attempt": self.attempt, "q": self.text, "line": self.line, **self.look}
        return {name: text for name, text in own.items() if text} | more

    @property
    def line(self) -> str:
        """The marked lines as addresses have them: `12`, `10-20`, or nothing."""
        return _line(self.marked) if self.marked else ""

    @property
    def without_text(self) -> Reading:
        """The same, with no text that is looked for."""
        return replace(self, text=None)

    @property
    def with_folds_turned(self) -> Reading:
        """The same with all sections open, or as they are by themselves."""
        return replace(self, unfolded=not self.unfolded)

    @property
    def with_times_turned(self) -> Reading:
        """The same with the times of lines, or without."""
        return replace(self, timed=not self.timed)

    @property
    def look(self) -> dict[str, str]:
        """The parameters that say how lines look, wherever they stand."""
        own = {"folds": "open" if self.unfolded else "", "times": "1" if self.timed else ""}
        return {name: text for name, text in own.items() if text}

    @property
    def anchor(self) -> str:
        """The name of the place where the marked lines begin: `L12`, or `L10-L20`."""
        return _anchor(self.marked)

    def is_first(self, line: int | None) -> bool:
        """Whether several lines are marked, from this one on: it has a second name for links."""
        return len(self.marked) > 1 and line == self.marked.start

    def address(self, page: str, line: int) -> str:
        """Return where a line's number leads: to the build's `page` with it marked, or up to it."""
        kept = f"attempt={self.attempt}&" if self.attempt else ""
        kept += "folds=open&" if self.unfolded else ""
        kept += "times=1&" if self.timed else ""
        if len(self.marked) != 1:
            return f"{page}?{kept}line={line}#L{line}"
        first = self.marked.start
        marked = range(min(first, line), max(first, line) + 1)
        return f"{page}?{kept}line={_line(marked)}#{_anchor(marked)}"


def read_reading(name: str = "line") -> Reading:
    """Read it from the request's address, the marked lines from the parameter `name`.

    Raises Rejected.
    """
    folds = query.text("folds")
    if folds not in (None, "open"):
        raise Rejected("folds: must be open or absent", field="folds")
    return Reading(
        query.text("attempt"),
        _marked(name),
        text=query.text("q"),
        unfolded=folds == "open",
        timed=bool(query.number("times", most=1)),
    )


def _marked(name: str) -> range:
    value = query.text(name)
    if value is None:
        return _NO_LINES
    match = _MARK.fullmatch(value)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (1 <= first <= MAX_NUMBER and 1 <= last <= MAX_NUMBER):
        message = f"{name}: must be a number of a line, as 12, or two, as 10-20; not {value[:40]!r}"
        raise Rejected(message, field=name)
    return range(min(first, last), max(first, last) + 1)


def _line(marked: range) -> str:
    return f"{marked.start}" if len(marked) == 1 else f"{marked.start}-{marked.stop - 1}"


def _anchor(marked: range) -> str:
    return "-".join(f"L{line}" for line in dict.fromkeys((marked.start, marked.stop - 1)))
