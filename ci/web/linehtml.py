"""Rows of a log as HTML of the page: lines, and sections of them that can be folded. Pure.

In Python, not in a template: a page has up to 2000 rows, which take a template four times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup

from ci.web.logclock import LogClock
from ci.web.logview import LogShown
from ci.web.reading import Reading
from ci.web.text import Row

_LINE: Final = "div"
_HEADING: Final = "summary"


@dataclass(slots=True)
class _Section:
    """Rows that belong together; `head` is None for those that are in no section."""

    head: Row | None
    rows: list[Row] = field(default_factory=list)
    ended: bool = False


def lines_html(
    shown: LogShown, reading: Reading, page: str, *, green: bool, clock: LogClock | None
) -> Markup:
    """Make the rows' HTML; the number of each line is a link on the build's `page`.

    What continues a section that is on the page is sent there, by htmx. In the log of a build that
    is `green` nothing counts as an error.
    """

    def line_html(row: Row, element: str = _LINE) -> str:
        return _row(row, reading, page, "" if clock is None else clock.html(row.offset), element)

    made: list[str] = []
    for section in _sections(shown.rows):
        html = "\n".join(line_html(row) for row in section.rows)
        if section.head is not None:
            is_open = (
                not section.ended  # it goes on below, or nothing comes after it
                or reading.unfolded
                or (section.head.fold is not None and section.head.fold.is_open)
                or any(
                    row.line in reading.marked or (row.line in shown.errors and not green)
                    for row in section.rows
                )
            )
            head = line_html(section.head, _HEADING)
            html = (
                f'<details class="fold" id="F{section.head.line}"{" open" if is_open else ""}>'
                f"{head}\n{html}</details>"
            )
        elif not made and shown.continues is not None and html:
            html = f'<div hx-swap-oob="beforeend:#F{shown.continues}">{html}</div>'
        made.append(html)
    # Every part is our own or went through escape().
    return Markup("\n".join(made))  # noqa: S704


def _sections(rows: list[Row]) -> Iterator[_Section]:
    section = _Section(None)
    for row in rows:
        if row.fold is not None and row.fold.heading is not None:
            section.ended = True
            yield section
            section = _Section(row)
            continue
        section.rows.append(row)
        if row.fold is not None:
            section.ended = True
            yield section
            section = _Section(None)
    yield section


def _row(row: Row, reading: Reading, page: str, time: str, element: str) -> str:
    classes = "line"
    if row.ours:
        classes += " ours"
    if row.line in reading.marked:
        classes += " marked"
    if row.goes_on:
        return f'<div class="{classes}"><a></a>{time}<span>{row.html}</span></div>'
    second_name = f' id="{reading.anchor}"' if reading.is_first(row.line) else ""
    # With 2000 stops of Tab nobody would come to the links below; an address says a line as well.
    address = f' href="{reading.address(page, row.line).replace("&", "&amp;")}" tabindex="-1"'
    if element == _HEADING:
        address = ""  # a press on it folds: a link within a button is none for a screen reader
    return (
        f'<{element} class="{classes}" id="L{row.line}"><a{second_name}{address}>{row.line}'
        f"</a>{time}<span>{row.html}</span></{element}>"
    )
