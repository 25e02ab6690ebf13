"""Reads: what the store tells. Nothing here changes anything.

Reads by key take 50 to 300 µs from the page cache; a thread would cost 1.2 ms. So they are done on
the spot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import sqlalchemy.exc
import trio
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, OperationalError

from ci import blocking
from ci.errors import NotFound, StoreFailed
from ci.model import Agent, Attempt, Build, Kind, Labels, Status
from ci.server.store import agents, attempts, builds, history, listing, removal
from ci.server.store.damage import Damage
from ci.server.store.line import Waits, read_line
from ci.server.views import BuildFilter, BuildPage, Counts, Neighbours

T = TypeVar("T")

_READ_FAILURES = (OperationalError, sqlalchemy.exc.TimeoutError)


class Reads:
    """Builds, attempts and agents as they are on disk. Every method may raise StoreFailed."""

    def __init__(self, reader: Connection, damage: Damage) -> None:
        self._reader = reader
        self._damage = damage
        with self._failing():
            self._line = read_line(reader)

    async def build(self, number: int) -> Build | None:
        """Return a build, or None."""
        return await self._read(lambda c: builds.get(c, number))

    async def not_found(self, number: int) -> NotFound:
        """Say why there is no build of that number."""
        return await self._read(lambda c: removal.not_found(c, number))

    async def removed(self, numbers: Collection[int]) -> set[int]:
        """Return those of up to some thousand numbers whose builds were there and are no more."""
        return await self._read(lambda c: removal.removed(c, numbers))

    async def whole(self, numbers: Collection[int]) -> dict[int, tuple[Build, list[Attempt]]]:
        """Return builds with their attempts, oldest first, as they are at one moment."""
        return await self._read(lambda c: builds.whole(c, numbers))

    async def attempt(self, id: str) -> Attempt | None:
        """Return an attempt, or None."""
        return await self._read(lambda c: attempts.get(c, id))

    async def held(self, agent: str) -> tuple[Attempt, ...]:
        """Return the attempts that an agent may still deliver: current ones, and canceled ones."""
        return await self._read(lambda c: attempts.held(c, agent))

    async def current(self) -> dict[str, list[Attempt]]:
        """Return the current attempts of every agent that has any."""
        return await self._read(attempts.current)

    async def agents(self) -> tuple[Agent, ...]:
        """Return every agent that has registered and was not forgotten since."""
        return await self._read(agents.all_agents)

    async def unfinished(self) -> dict[Status, int]:
        """Count the builds that wait and those that run."""
        running = await self._read(builds.running)
        return {Status.WAITING: len(self._line), Status.RUNNING: running}

    async def oldest_waiting(self) -> datetime | None:
        """When the oldest of the builds that wait was accepted; None when none waits."""
        return await self._read(builds.oldest_waiting)

    def places(self, numbers: Collection[int]) -> dict[int, int]:
        """Return the place in line of those builds that wait; 1 is the next."""
        return self._line.places(numbers)

    def place_among(self, number: int, rivals: Collection[Labels]) -> int:
        """Return the place of a build that waits if there were only those that ask for this."""
        return self._line.place_among(number, rivals)

    def place_among_alike(self, number: int) -> int:
        """Return the place of a build that waits among those that ask for the same."""
        return self._line.place_among_alike(number)

    def line(self, count: int) -> list[Waits]:
        """Return the first ones in line."""
        return self._line.first(count)

    def asked_labels(self) -> dict[Labels, int]:
        """Return each set of labels that builds in line ask for, and how many do."""
        return self._line.asked()

    async def kinds(self, numbers: Collection[int]) -> dict[int, Kind]:
        """Return of which kind each build is."""
        return await self._read(lambda c: history.kinds(c, numbers))

    async def ended_since(self, since: datetime) -> list[tuple[str, datetime, datetime]]:
        """Return agent, begin and end of the attempts that have ended after a time.

        That may be a day of a busy machine: a thread.
        """
        return await self._read_beside(lambda c: history.ended_since(c, since))

    async def neighbours(self, build: Build) -> Neighbours:
        """Return the builds that one goes to from another one."""
        return await self._read(lambda c: history.neighbours(c, build))

    async def greens(self, build: Build) -> tuple[list[int], list[int]]:
        """Return the last green builds before one that did the same: of its branch, and of any."""
        return await self._read(lambda c: history.greens(c, build))

    async def page(self, wanted: BuildFilter) -> BuildPage:
        """Return a page of the builds that fit."""
        if listing.needs_look(wanted):
            return await self._read_beside(lambda c: listing.page(c, wanted))
        return await self._read(lambda c: listing.page(c, wanted))

    async def results(self, wanted: BuildFilter, limit: int) -> tuple[Build, ...]:
        """Return the last builds that have ended, newest first; none if it takes a look."""
        return await self._read(lambda c: listing.results(c, wanted, limit))

    async def counts(self, repository: str | None = None) -> dict[Status, int]:
        """Count the builds of each status, or those of one repository."""
        return await self._read(lambda c: listing.counts(c, repository))

    async def count(self, wanted: BuildFilter) -> Counts:
        """Count the builds of each status that fit, as far as that is cheap."""
        if listing.needs_look(wanted):
            return await self._read_beside(lambda c: listing.count(c, wanted))
        return await self._read(lambda c: listing.count(c, wanted))

    async def durations(self, kind: Kind, limit: int) -> list[tuple[int, float]]:
        """Return the last `limit` green builds of a kind, and the seconds each took."""
        return await self._read(lambda c: history.durations(c, kind, limit))

    async def took(self, numbers: Collection[int]) -> list[tuple[Kind, int, float]]:
        """Return kind, number and duration of those that are green and told how long they took."""
        return await self._read(lambda c: history.took(c, numbers))

    async def ended(self, size: int, below: int | None = None) -> removal.EndedPage | None:
        """Return the builds that have ended in the next page of `size` numbers; None = no more."""
        return await self._read_beside(lambda c: removal.ended(c, size, below))

    async def ask(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` finds, which is some rows by key: for the other parts of the store."""
        return await self._read(work)

    def _read_in_thread(self, work: Callable[[Connection], T]) -> T:
        """Read by a connection of its own."""
        with self._reader.engine.connect() as connection:
            return work(connection)

    async def _read_beside(self, work: Callable[[Connection], T]) -> T:
        with self._failing():
            return await blocking.run(self._read_in_thread, work)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        await trio.lowlevel.checkpoint()
        with self._failing():
            return work(self._reader)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Raise StoreFailed for what the file or its disk can do; a bug passes through."""
        try:
            yield
        except (DatabaseError, sqlalchemy.exc.TimeoutError) as error:
            if (failed := self._damage.found_by(error)) is not None:
                raise failed from error
            if isinstance(error, _READ_FAILURES):
                raise _read_failed(error) from error
            raise


def _read_failed(error: Exception) -> StoreFailed:
    return StoreFailed(f"the store can't be read: {getattr(error, 'orig', None) or error}")
