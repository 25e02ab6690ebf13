"""Track: one build that is not over for the storage: what failed last, and when to try again.

Nothing of what is to be told is in here: it follows from how the build stands and from its phase,
which are in the store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from ci.backoff import delays
from ci.server.external.decide import Stand
from ci.server.external.share import Share

FIRST_S: Final = 1.0
CAP_S: Final = 300.0  # between two tries of what is refused for one build alone
# A start whose answer was lost may have been taken, and then the slot is for it. But no others wait
# for one that is refused again and again, nor where nobody gets to know for long.
UNSURE_TRIES: Final = 3
UNSURE_S: Final = 30.0


class Track:
    """One build; `there` is None where we are not sure, so that it is looked at first."""

    def __init__(self, log_limit: int, there: Stand | None) -> None:
        self.there = there
        self.is_due = True  # something may have to be told
        self.needs_slot = False  # its start is to be told once a slot is free
        self.has_slot = False
        self.at_work = False
        self.is_over = False  # nothing is left to be told
        self.share = Share(log_limit)
        self.tries = 0
        self.problem = ""
        self.next_at = -math.inf  # in trio's seconds
        self.unsure_until = -math.inf  # whether a start was taken, which needs its slot then
        self._waits = delays(FIRST_S, CAP_S)

    def begins(self, now: float) -> None:
        """Note that its start is sent now."""
        if self.tries < UNSURE_TRIES:
            self.unsure_until = now + UNSURE_S

    def advanced(self) -> None:
        """Note that something was told: what comes next has not failed yet."""
        self.problem = ""
        self.unsure_until = -math.inf
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the failures: what is tried next is another thing."""
        self.tries = 0
        self._waits = delays(FIRST_S, CAP_S)

    def failed(self, problem: str) -> None:
        """Note a failure, without saying when the next try is."""
        self.is_due = True
        self.needs_slot = self.has_slot  # so that none behind it gets the slot before it
        self.tries += 1
        self.problem = problem

    def back_off(self, now: float, least_s: float = 0.0) -> None:
        """Try again later than the last time."""
        self.next_at = now + max(next(self._waits), least_s)

    def rests(self, now: float) -> bool:
        """Whether nothing is tried before a time to come."""
        return self.is_due and not self.at_work and self.next_at > now


def choose(
    tracks: Mapping[int, Track],
    places: Callable[[list[int]], Mapping[int, int]],
    *,
    calls: int,
    slots: int,
    now: float,
) -> list[int]:
    """Return which are to be worked on now: ends first, then starts, if slots are free for them.

    `calls` is how many may be worked on at once, `places` tells the places of some in line.
    """
    due = [
        number
        for number, track in tracks.items()
        if track.is_due and not track.at_work and track.next_at <= now
    ]
    calls -= sum(track.at_work for track in tracks.values())
    slots -= sum(
        track.has_slot or (track.rests(now) and track.unsure_until > now)
        for track in tracks.values()
    )
    needy = [number for number in due if tracks[number].needs_slot]
    place = places(needy)
    needy.sort(key=lambda number: (tracks[number].unsure_until <= now, place.get(number, 0)))
    others = [number for number in due if not tracks[number].needs_slot]
    return [*others, *needy[: max(0, slots)]][: max(0, calls)]


def next_at(tracks: Mapping[int, Track], now: float) -> float:
    """When something is to be tried again by itself."""
    times = [track.next_at for track in tracks.values() if track.rests(now)]
    times += [track.unsure_until for track in tracks.values() if track.unsure_until > now]
    return min(times, default=math.inf)
