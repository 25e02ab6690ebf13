"""Line: the builds that wait, in their order, in memory. A copy of the index `jobs_waiting`.

The store says who waits and who is next. This copy says how many wait, who has which place and
what he asks for: the database would have to count, and counting twenty thousand takes as long as
twenty pages.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, func, literal_column, select, update

from ci.errors import Busy, Conflict
from ci.model import Build, Kind, Labels
from ci.server.store import builds as build_rows
from ci.server.store import removal
from ci.server.store.rows import read_labels
from ci.server.store.tables import IS_WAITING, KIND_OF_COMMAND, builds, jobs

Key = tuple[int, int]  # sorts as the queue does: minus the priority, then the number


class Waits(NamedTuple):
    """A build that waits. `priority` is that of its job: somebody may have moved it forward."""

    number: int
    priority: int
    kind: Kind
    labels: Labels = ()

    @property
    def key(self) -> Key:
        """Where it stands."""
        return -self.priority, self.number


class Line:
    """Changed by what is committed, at once after the commit, and by nothing else."""

    def __init__(self, waiting: Collection[Waits] = ()) -> None:
        self._waiting = {each.number: each for each in waiting}
        self._keys = sorted(each.key for each in waiting)
        self._alike: dict[Labels, list[Key]] = defaultdict(list)  # the keys of those that ask so
        for each in sorted(waiting, key=lambda each: each.key):
            self._alike[each.labels].append(each.key)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._keys)

    def add(self, build: Waits) -> None:
        """Let a build wait, in the place that its age and priority give it."""
        self._waiting[build.number] = build
        insort(self._keys, build.key)
        insort(self._alike[build.labels], build.key)

    def remove(self, number: int) -> None:
        """Let a build wait no more; one that did not is no mistake."""
        build = self._waiting.pop(number, None)
        if build is not None:
            del self._keys[bisect_left(self._keys, build.key)]
            alike = self._alike[build.labels]
            del alike[bisect_left(alike, build.key)]
            if not alike:
                del self._alike[build.labels]

    def places(self, numbers: Collection[int]) -> dict[int, int]:
        """Return the place of those builds that wait; 1 is the next."""
        return {
            number: bisect_left(self._keys, self._waiting[number].key) + 1
            for number in numbers
            if number in self._waiting
        }

    def place_among(self, number: int, rivals: Collection[Labels]) -> int:
        """Return the place of a build that waits if there were only those that ask for this."""
        key = self._waiting[number].key
        return 1 + sum(bisect_left(self._alike.get(labels, ()), key) for labels in rivals)

    def place_among_alike(self, number: int) -> int:
        """Return the place of a build that waits among those that ask for the same."""
        return self.place_among(number, [self._waiting[number].labels])

    def first(self, count: int) -> list[Waits]:
        """Return the first ones, in their order."""
        return [self._waiting[number] for _, number in self._keys[:count]]

    def asked(self) -> dict[Labels, int]:
        """Return each set of labels that is asked for, and by how many."""
        return {labels: len(alike) for labels, alike in self._alike.items()}


def line_is_full(limit: int) -> Busy:
    """Say that no more may wait."""
    return Busy(
        f"{limit} builds wait already, which is the limit (maxWaitingBuilds); "
        "nothing was stored, try again later"
    )


def read_line(connection: Connection) -> Line:
    """Read who waits."""
    rows = connection.execute(
        select(jobs.c.build, jobs.c.priority, jobs.c.labels, builds.c.repository, KIND_OF_COMMAND)
        .join(builds, builds.c.number == jobs.c.build)
        .where(IS_WAITING)
    )
    return Line(
        [
            Waits(number, priority, Kind(*kind), read_labels(labels))
            for number, priority, labels, *kind in rows
        ]
    )


def move_to_front(connection: Connection, number: int) -> Waits:
    """Let a build that waits be the next one. Raises NotFound, and Conflict if it does not wait."""
    others = jobs.alias()
    highest = select(func.max(others.c.priority)).where(
        others.c.status == literal_column("'waiting'")
    )
    done = connection.execute(
        update(jobs)
        .where(jobs.c.build == number, IS_WAITING)
        .values(priority=highest.scalar_subquery() + 1)
    )
    build = build_rows.get(connection, number)
    if build is None:
        raise removal.not_found(connection, number)
    if not done.rowcount:
        raise Conflict(f"build {number} does not wait: {build.status}", field="number")
    return in_line(connection, build)


def in_line(connection: Connection, build: Build) -> Waits:
    """Say where a build stands that waits."""
    priority = connection.execute(select(jobs.c.priority).where(jobs.c.build == build.number))
    return Waits(build.number, priority.scalar_one(), Kind.of(build), build.labels)
