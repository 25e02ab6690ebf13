"""The last results of a list as a strip of bars, the newest on the right: how they ended, how long.

A bar is as high as its build took long. How it ended is said by colour and by form: a failure has
a cross under it, an error a triangle, and what was canceled is only an outline. The same results
are drawn once.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment
from markupsafe import Markup
from quart import current_app

from ci.model import Build, Status
from ci.server.views import BuildFilter
from ci.web.core import Core
from ci.web.render import keep_made
from ci.web.words import duration

EXTENSION: Final = "strips"  # where an app keeps what draws them
MAX_STRIPS: Final = 200  # that are kept, of some 6 kB each

COUNT: Final = 30  # builds; the drawing is as wide when there are fewer, so that nothing moves
# In pixels, which are the drawing's units, so that all bars fit into the smallest phone's window.
STEP: Final = 9  # a bar and the gap beside it
WIDTH: Final = STEP * COUNT
TALLEST: Final = 28
HEIGHT: Final = TALLEST + 9  # with the signs under the bars
LEAST: Final = 2  # so that what took no time can be seen
# One build that hung for an hour would make lines of all that took minutes: whatever takes so many
# times the usual is drawn as high as can be.
MUCH: Final = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One build: where its bar stands, how high it is, and what is said of it."""

    number: int
    status: Status
    words: str
    x: int
    height: int


@dataclass(frozen=True, slots=True)
class Strip:
    """All bars, and what they say together."""

    bars: tuple[Bar, ...]
    words: str
    usual_s: float | None  # the median of the green ones

    # What the drawing measures.
    step = STEP
    width = WIDTH
    tallest = TALLEST
    height = HEIGHT


def keep_strips(templates: Environment) -> Callable[[Strip], Markup]:
    """Return what draws a strip, unless it has drawn the same one lately."""
    return keep_made(templates, "_strip.html", "strip", MAX_STRIPS)


async def the_strip(core: Core, wanted: BuildFilter) -> Markup | None:
    """Draw the results of a list in the app that serves the present request; None without any."""
    results = await core.results(wanted, COUNT)
    draw: Callable[[Strip], Markup] = current_app.extensions[EXTENSION]
    return draw(strip(results)) if results else None


def strip(results: Iterable[Build]) -> Strip:
    """Lay out how builds ended; they come newest first, as in a list."""
    builds = list(results)[:COUNT][::-1]
    green = [build.duration_s or 0.0 for build in builds if build.status is Status.SUCCESS]
    usual_s = statistics.median(green) if green else None
    longest_s = max((build.duration_s or 0.0 for build in builds), default=0.0)
    full_s = min(longest_s, MUCH * usual_s) if usual_s else longest_s
    bars = tuple(_bar(place, build, full_s) for place, build in enumerate(builds))
    counts = Counter(build.status for build in builds)
    parts = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    return Strip(bars, f"The last results: {parts}", usual_s)


def _bar(place: int, build: Build, full_s: float) -> Bar:
    took_s = build.duration_s or 0.0
    share = min(1.0, took_s / full_s) if full_s > 0 else 0.0
    took = f", {duration(took_s)}" if build.duration_s is not None else ""
    words = f"#{build.number} {build.status}{took}"
    height = LEAST + round(share * (TALLEST - LEAST))
    return Bar(build.number, build.status, words, place * STEP, height)
