"""What retention asks of the store: which builds have ended, and away with some of them.

Each function is one transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from ci.errors import NotFound
from ci.model import Status
from ci.server.store.tables import IS_UNREPORTED, attempts, builds, external_builds, jobs

_ENDED = sorted(status for status in Status if status.ended)


@dataclass(frozen=True, slots=True)
class EndedBuild:
    """What a rule may want to know of a build."""

    number: int
    repository: str
    status: Status
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class EndedPage:
    """The builds that have ended, of all those whose number is `first` or a little above."""

    first: int
    builds: tuple[EndedBuild, ...]  # the newest first


def ended(connection: Connection, size: int, below: int | None = None) -> EndedPage | None:
    """Read the page of `size` numbers that has the newest build below a number, None if none is.

    It goes by numbers alone: to sort by them what an index says of statuses would read every row.
    """
    newest = select(func.max(builds.c.number))
    if below is not None:
        newest = newest.where(builds.c.number < below)
    last = connection.execute(newest).scalar()
    if last is None:
        return None
    first = last // size * size
    rows = connection.execute(
        select(builds.c.number, builds.c.repository, builds.c.status, builds.c.finished_at)
        .where(builds.c.number.between(first, last), builds.c.finished_at.is_not(None))
        .order_by(builds.c.number.desc())
    )
    return EndedPage(
        first,
        tuple(
            EndedBuild(number, repository, Status(status), finished_at)
            for number, repository, status, finished_at in rows
            if status in _ENDED
        ),
    )


def remove(connection: Connection, numbers: Collection[int]) -> None:
    """Delete builds that have ended, with all that belongs to them. The others are left alone.

    So are those of which an external storage has still to be told, with the log.
    """
    told = builds.c.number.not_in(select(external_builds.c.build).where(IS_UNREPORTED))
    ended = select(builds.c.number).where(builds.c.number.in_(numbers), builds.c.status.in_(_ENDED))
    gone = connection.execute(ended.where(told)).scalars().all()
    connection.execute(delete(external_builds).where(external_builds.c.build.in_(gone)))
    connection.execute(delete(attempts).where(attempts.c.build.in_(gone)))
    connection.execute(delete(jobs).where(jobs.c.build.in_(gone)))
    connection.execute(delete(builds).where(builds.c.number.in_(gone)))


def removed(connection: Connection, numbers: Collection[int]) -> set[int]:
    """Return those numbers that were given once, and whose builds are there no more."""
    there = connection.execute(select(builds.c.number).where(builds.c.number.in_(numbers)))
    newest = newest_number(connection)
    return {number for number in numbers if number <= newest} - set(there.scalars())


def newest_number(connection: Connection) -> int:
    """Return the highest number that was ever given, also if its build is gone; 0 if none was."""
    query = "SELECT seq FROM sqlite_sequence WHERE name = 'builds'"
    return connection.exec_driver_sql(query).scalar() or 0


def not_found(connection: Connection, number: int) -> NotFound:
    """Say why there is no build of that number."""
    why = f"there is no build {number}"
    if number <= newest_number(connection):
        why = (
            f"build {number} is there no more: it was removed by the rules that say "
            "how long builds are kept"
        )
    return NotFound(why, field="number")
