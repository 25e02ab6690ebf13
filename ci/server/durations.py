"""Durations: how long builds of a kind take, as their last green ones tell. A copy in memory.

What was never asked for is read when it is; after that each green build is added as it ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Final

from ci.model import Kind
from ci.server.store.store import Store

COUNTED: Final = (
    20  # builds of a kind: enough that one slow one does not count, few enough to follow
)
# In memory; those asked for first go first. An outlook asks for all that it foresees, each time: if
# these were more, each would have gone when it is asked for again.
MAX_KINDS: Final = 4000
MAX_NEWS: Final = 500  # ended builds that nobody has asked about; then all is read anew


class _Recent:
    """The last green builds of a kind, the oldest first, and the median of what they took."""

    def __init__(self, builds: Iterable[tuple[int, float]]) -> None:
        self._builds = deque(builds, COUNTED)
        self._look()

    def add(self, number: int, seconds: float) -> None:
        """Count one more; the oldest does not count any longer.

        One that ended while the others were read may have been among them.
        """
        if all(number != known for known, _ in self._builds):
            self._builds.append((number, seconds))
            self._look()

    def _look(self) -> None:
        took = [seconds for _, seconds in self._builds]
        self.median_s = median(took) if took else None


class Durations:
    """Medians of the last green builds of each kind."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[Kind, _Recent] = {}
        self._news: list[int] = []  # green builds that have ended since the last question

    def note(self, number: int) -> None:
        """Say that a build has ended, and is green."""
        if not self._known:
            return
        self._news.append(number)
        if len(self._news) > MAX_NEWS:
            self._known.clear()
            self._news.clear()

    async def typical_s(self, kind: Kind) -> float | None:
        """Return how many seconds builds of just this kind take; None if none was green yet."""
        await self._catch_up()
        return await self._median(kind)

    async def likely_s(self, kind: Kind) -> float | None:
        """Guess how many seconds such a build takes: by its kind, else its repository, else all.

        None when no build was ever green.
        """
        await self._catch_up()
        for wider in kind.widening:
            if (seconds := await self._median(wider)) is not None:
                return seconds
        return None

    async def _catch_up(self) -> None:
        if not self._news:
            return
        news, self._news = self._news, []
        for kind, number, seconds in await self._store.took(news):
            for wider in kind.widening:
                if wider in self._known:
                    self._known[wider].add(number, seconds)

    async def _median(self, kind: Kind) -> float | None:
        if kind not in self._known:
            found = await self._store.durations(kind, COUNTED)
            self._known[kind] = _Recent(reversed(found))
            if len(self._known) > MAX_KINDS:
                del self._known[next(iter(self._known))]
        return self._known[kind].median_s
