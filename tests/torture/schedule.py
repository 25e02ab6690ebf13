"""What is to be done when: things at times, in order, each of which may bring further ones."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from threading import Event

Action = Callable[[], None]


class Schedule:
    """Actions at seconds after its own beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._actions: list[tuple[float, int, Action]] = []
        self._stopped = Event()
        self._order = itertools.count()  # of what is due at the same time

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def at(self, at_s: float, action: Action) -> None:
        """Do `action` at that time, or as soon as can be."""
        heapq.heappush(self._actions, (at_s, next(self._order), action))

    def after(self, wait_s: float, action: Action) -> None:
        """Do `action` so many seconds from now."""
        self.at(self.now_s + wait_s, action)

    def run(self) -> None:
        """Do all of it; returns when nothing is left to do, or after `stop`."""
        while self._actions and not self._stopped.is_set():
            at_s, _, action = heapq.heappop(self._actions)
            if not self._stopped.wait(max(0.0, at_s - self.now_s)):
                action()

    def stop(self) -> None:
        """Leave the rest undone; may be called from another thread."""
        self._stopped.set()
