"""Why red: the lines of a build that went wrong that the last green build like it did not print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from quart import Response

from ci.folds import read_fold
from ci.news import NewLine, News
from ci.server.views import LogHit, WhyRed
from ci.web import parts
from ci.web.core import the_core
from ci.web.style import PLAIN
from ci.web.text import line_html
from ci.web.words import WENT_WRONG


@dataclass(frozen=True, slots=True)
class Run:
    """Lines that follow each other, and how many before them are no news."""

    lines: tuple[NewLine, ...]
    skipped: int


@dataclass(frozen=True, slots=True)
class Shown:
    """The news in the order in which they are read: what says most comes first."""

    errors: list[Run]  # what looks like an error; where nothing does …
    last: list[Run]  # … the last that is new and not usual, if there is more
    others: list[Run]


async def why_red(number: int) -> Response:
    """Show what is new in a build's log, or say why that can't be told, or how far one is."""
    is_part = parts.wanted_part() == "why"
    why = await the_core().why_red_so_far(number, is_shown=is_part)
    context: dict[str, Any] = {
        "why": why,
        "first_error": await _first_error(why) if why.problem else None,
        "shown": None if why.found is None else arrange(why.found.news),
        "line_of": line_of,
    }
    if is_part:
        return await parts.send_part("_why.html", **context)
    return await parts.send_page("why.html", **context)


async def _first_error(why: WhyRed) -> LogHit | None:
    """Find what says most where there is nothing to compare with."""
    view = why.view
    if view.build.status not in WENT_WRONG or not view.attempts:
        return None
    found = await the_core().first_error(view.attempts[-1].id)
    return found.hits[0] if found.hits else None


def arrange(news: News) -> Shown:
    """Put the runs that have something which looks like an error before the others, or the last."""
    errors = [run for run in news.runs if any(line.is_error for line in run)]
    others = [run for run in news.runs if run not in errors]
    telling = [run for run in others if any(line.is_new and not line.is_usual for line in run)]
    last = telling[-1:] if len(others) > 1 and not errors else []
    others = [run for run in others if run not in last]
    return Shown(_with_gaps(errors), _with_gaps(last), _with_gaps(others))


def line_of(text: bytes) -> Markup:
    """Make HTML of a line: its own colours, whatever the lines above it have set."""
    fold = read_fold(text)
    return line_html(text if fold is None else fold.text, PLAIN)[0]


def _with_gaps(runs: Sequence[tuple[NewLine, ...]]) -> list[Run]:
    ends = [0, *(run[-1].number for run in runs)]
    return [Run(run, run[0].number - end - 1) for run, end in zip(runs, ends, strict=False)]
