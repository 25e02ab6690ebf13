"""Line: the builds that wait, in their order, in memory. A copy of the index `jobs_waiting`.

The store says who waits and who is next. This copy says how many wait and who has which place:
the database would have to count, and counting twenty thousand takes as long as twenty pages.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select

from ci.server.store.tables import IS_WAITING, jobs

Key = tuple[int, int]  # sorts as the queue does: minus the priority, then the number


class Line:
    """Changed by what is committed, at once after the commit, and by nothing else."""

    def __init__(self, waiting: Iterable[tuple[int, int]] = ()) -> None:
        """Take number and priority of each build that waits."""
        self._priorities = dict(waiting)
        self._keys = sorted(map(self._key, self._priorities))

    def __len__(self) -> int:
        """How many wait."""
        return len(self._keys)

    def add(self, number: int, priority: int) -> None:
        """Let a build wait, in the place that its age and priority give it."""
        self._priorities[number] = priority
        insort(self._keys, self._key(number))

    def remove(self, number: int) -> None:
        """Let a build wait no more; one that did not is no mistake."""
        if number in self._priorities:
            del self._keys[bisect_left(self._keys, self._key(number))]
            del self._priorities[number]

    def places(self, numbers: Collection[int]) -> dict[int, int]:
        """Return the place of those builds that wait; 1 is the next."""
        return {
            number: bisect_left(self._keys, self._key(number)) + 1
            for number in numbers
            if number in self._priorities
        }

    def _key(self, number: int) -> Key:
        return -self._priorities[number], number


def read_line(connection: Connection) -> Line:
    """Read who waits."""
    rows = connection.execute(select(jobs.c.build, jobs.c.priority).where(IS_WAITING))
    return Line((row.build, row.priority) for row in rows)
