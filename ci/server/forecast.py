"""Forecast: when what waits will start, if all goes on as it usually does. No I/O, and no clock.

Slots are given in seconds from now until each is free, builds in the seconds that each will take.
Infinity stands for "nobody knows".
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Final

# What has run longer than such builds usually do may end at any moment or hang. That it takes so
# much of its time once more is as good a guess as any, and grows with what speaks for the latter.
OVERTIME: Final = 0.1
MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
# Rounded to so many seconds up to a limit, so that a sentence does not change at each look.
STEPS: Final = ((MINUTE, 10), (HOUR, MINUTE), (5 * HOUR, HOUR // 4), (math.inf, HOUR))


def remaining_s(usual_s: float | None, elapsed_s: float) -> float:
    """Guess how many seconds a build goes on that has run for `elapsed_s`."""
    if usual_s is None:
        return math.inf
    elapsed_s = max(0.0, elapsed_s)  # less than nothing when the clock was set back
    return usual_s - elapsed_s if elapsed_s < usual_s else OVERTIME * elapsed_s


def starts(slots: Iterable[float], builds: Iterable[float]) -> list[float]:
    """Say for each build in line, the next one first, in how many seconds it starts.

    Each takes the slot that is free first, as the queue hands them out.
    """
    free_at = list(slots) or [math.inf]
    heapq.heapify(free_at)
    return [heapq.heapreplace(free_at, free_at[0] + took) for took in builds]


def rounded_s(seconds: float) -> int | None:
    """Round to what one can say of the future: the later, the rougher. None when nobody knows."""
    if math.isinf(seconds):
        return None
    step = next(step for limit, step in STEPS if seconds < limit)
    return int((seconds + step / 2) // step * step)


def in_words(seconds: int) -> str:
    """`in less than a minute`, `in about 4 min`, `in about 2 h 15 min`, `in more than a day`."""
    if seconds < MINUTE:
        return "in less than a minute"
    if seconds > DAY:
        return "in more than a day"
    hours, minutes = divmod(seconds // MINUTE, HOUR // MINUTE)
    words = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return f"in about {' '.join(words)}"
