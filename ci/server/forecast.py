"""Forecast: when what waits will start, if all goes on as it usually does. No I/O, and no clock.

Slots are given in seconds from now until each is free, builds in the seconds that each will take.
Infinity stands for "nobody knows", FREE for a slot that is free, and for what starts in it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Mapping
from operator import itemgetter
from typing import Final

from ci.model import Labels

FREE: Final = -1.0
MINUTE: Final = 60
# What has run longer than such builds usually do may end at any moment or hang. That it takes so
# much of its time once more is as good a guess as any, and grows with what speaks for the latter;
# until it is more likely that it hangs. A slow network may cost any build a minute.
OVERTIME: Final = 0.1
LOST_TRACK: Final = 3  # times the usual time
LEAST_S: Final = MINUTE  # beyond the usual time
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
# Rounded to so many seconds up to a limit, so that a sentence does not change at each look.
STEPS: Final = ((MINUTE, 10), (HOUR, MINUTE), (5 * HOUR, HOUR // 4), (math.inf, HOUR))


def remaining_s(usual_s: float | None, elapsed_s: float) -> float:
    """Guess how many seconds a build goes on that has run for `elapsed_s`; infinity: no idea."""
    if usual_s is None:
        return math.inf
    elapsed_s = max(0.0, elapsed_s)  # less than nothing when the clock was set back
    if elapsed_s > max(LOST_TRACK * usual_s, usual_s + LEAST_S):
        return math.inf
    return usual_s - elapsed_s if elapsed_s < usual_s else OVERTIME * elapsed_s


class Forecast:
    """Plays the queue through: builds are added in their order, the next one first.

    `slots` are those of agents, by the labels that these have.
    """

    def __init__(self, slots: Mapping[frozenset[str], Collection[float]]) -> None:
        # Who can do the least else comes first, as the queue has it.
        self._slots = {has: sorted(slots[has]) for has in sorted(slots, key=len) if slots[has]}
        self._able: dict[Labels, list[list[float]]] = {}  # heaps, by what is asked for

    def next_s(self, labels: Labels) -> float:
        """Say in how many seconds one would start that asks for `labels`."""
        return min((heap[0] for heap in self._heaps(labels)), default=math.inf)

    def add(self, labels: Labels, took_s: float) -> float:
        """Let a build take the slot that is free first; return in how many seconds it does."""
        heap = min(self._heaps(labels), key=itemgetter(0), default=None)
        if heap is None:
            return math.inf
        start_s = heap[0]
        heapq.heapreplace(heap, max(0.0, start_s) + took_s)
        return start_s

    def _heaps(self, labels: Labels) -> list[list[float]]:
        if labels not in self._able:
            able = [heap for has, heap in self._slots.items() if has.issuperset(labels)]
            self._able[labels] = able
        return self._able[labels]


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
