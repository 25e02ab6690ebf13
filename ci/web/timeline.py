"""A build's time as a bar: waited, checked out, ran, waited again, ran. A template draws it.

What has ended took as long as its agent has measured, so that it is the same wherever it is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ci.model import Status
from ci.server.views import BuildView
from ci.web.words import duration

WIDTH: Final = 1000  # of the drawing, in its own units
NO_WAIT_S: Final = 0.1  # a free slot takes a build so quickly: that is no waiting
LEAST: Final = 4  # so that what took no time can be seen among hours


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time. `status` is that of the attempt, or waiting; running for a checkout."""

    status: Status
    words: str
    seconds: float
    x: int = 0  # in the drawing
    width: int = 0


def spans(view: BuildView, now: datetime) -> list[Span]:
    """Say what a build has done from the time when it was asked for, and lay it out."""
    found = list(_spans(view, now))
    total_s = sum(span.seconds for span in found)
    room = WIDTH - LEAST * len(found)
    laid, x = [], 0
    for span in found:
        width = LEAST + (int(room * span.seconds / total_s) if total_s > 0 else 0)
        laid.append(Span(span.status, span.words, span.seconds, x, width))
        x += width
    return laid


def _spans(view: BuildView, now: datetime) -> Iterator[Span]:
    since = view.build.created_at
    several = len(view.attempts) > 1  # else the page says already who had it and how it ended
    for attempt in view.attempts:
        if _between(since, attempt.started_at) >= NO_WAIT_S:
            yield _waited(since, attempt.started_at)
        end = attempt.finished_at or now
        seconds = attempt.duration_s
        if attempt.finished_at is None or seconds is None:
            seconds = _between(attempt.started_at, end)
        so_far = " so far" if attempt.finished_at is None else ""
        checkout_s = min(attempt.checkout_s or 0, seconds)
        if checkout_s >= NO_WAIT_S:
            yield Span(Status.RUNNING, f"checkout {duration(checkout_s)}", checkout_s)
            seconds -= checkout_s
        words = f"ran {duration(seconds)}{so_far}"
        if several:
            words += f" on {attempt.agent}"
            words += "" if so_far else f": {attempt.status}"
        yield Span(attempt.status, words, seconds)
        since = end
    if view.build.status is Status.WAITING:
        yield _waited(since, now)
    elif not view.attempts:
        yield _waited(since, view.build.finished_at or now)


def _waited(since: datetime, until: datetime) -> Span:
    seconds = _between(since, until)
    return Span(Status.WAITING, f"waited {duration(seconds)}", seconds)


def _between(since: datetime, until: datetime) -> float:
    """Count the seconds; none when the server's clock was set back meanwhile."""
    return max(0.0, (until - since).total_seconds())
