"""The lines of the list, each made once: most are the same from one look to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from jinja2 import Environment
from markupsafe import Markup
from quart import current_app

from ci.model import Build
from ci.web.filters import Filters

EXTENSION: Final = "rows"  # where an app keeps what makes them
MAX_ROWS: Final = 2000  # that are kept: 40 lists of 50 lines, some 3 kB each


@dataclass(frozen=True, slots=True)
class Row:
    """All that a line shows, so that two that are equal look the same."""

    build: Build
    filters: Filters
    several: bool  # whether there is more than one repository
    same_commit: bool  # as the line above
    when: str
    took: str
    why: str
    typical_s: float | None  # how long such builds take; None unless it runs
    gone_s: float  # since it began; 0 unless it runs


def keep_rows(templates: Environment) -> Callable[[Row], Markup]:
    """Return what makes a line, unless it has made the same one lately."""

    @lru_cache(MAX_ROWS)
    def make(row: Row) -> Markup:
        html = templates.get_template("_row.html").render(row=row).strip()
        return Markup(html)  # noqa: S704  the template has escaped all that is not ours

    return make


def the_rows(rows: Iterable[Row]) -> list[Markup]:
    """Make the lines of a list in the app that serves the present request."""
    return list(map(current_app.extensions[EXTENSION], rows))
