"""Rows of a log as HTML of the page. Pure.

In Python, not in a template: a page has up to 2000 rows, which take a template four times as long.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from ci.web.reading import Reading
from ci.web.text import Row


def lines_html(rows: Iterable[Row], reading: Reading, page: str) -> Markup:
    """Make the rows' HTML; the number of each line is a link on the build's `page`."""
    # Every part is our own or went through escape().
    return Markup("\n".join(_line(row, reading, page) for row in rows))  # noqa: S704


def _line(row: Row, reading: Reading, page: str) -> str:
    classes = "line"
    if row.ours:
        classes += " ours"
    if row.line in reading.marked:
        classes += " marked"
    if row.goes_on:
        return f'<div class="{classes}"><a></a><span>{row.html}</span></div>'
    second_name = f' id="{reading.anchor}"' if reading.is_first(row.line) else ""
    address = reading.address(page, row.line).replace("&", "&amp;")
    return (
        f'<div class="{classes}" id="L{row.line}"><a{second_name} href="{address}">{row.line}</a>'
        f"<span>{row.html}</span></div>"
    )
