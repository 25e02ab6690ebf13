"""What is asked of builds: accept one, read them, count them. Each function is one transaction.

The statements are made once: to make one costs more than to execute it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select

from ci.model import JOB_NAME, Attempt, Build, BuildRequest, Outcome, Status
from ci.server.store.database import snapshot
from ci.server.store.rows import to_attempt, to_build, write_labels
from ci.server.store.tables import IS_WAITING, attempts, builds, jobs

_BUILD: Final = insert(builds)
_JOB: Final = insert(jobs)
_BY_NUMBER: Final = select(builds).where(builds.c.number == bindparam("number"))
_NUMBERS: Final[BindParameter[int]] = bindparam("numbers", expanding=True)
_SOME: Final = select(builds).where(builds.c.number.in_(_NUMBERS))
_ATTEMPTS: Final = (
    select(attempts)
    .where(attempts.c.build.in_(_NUMBERS))
    .order_by(attempts.c.build, attempts.c.job, attempts.c.try_number)
)


def waiting(connection: Connection) -> int:
    """Count the builds that wait: some 40 µs for a thousand."""
    query = select(func.count()).select_from(jobs).where(IS_WAITING)
    return connection.execute(query).scalar_one()


def accept(
    connection: Connection, request: BuildRequest, now: datetime, refusal: Outcome | None = None
) -> Build:
    """Store a new build with its one job, and return it with its number.

    Both wait, unless a `refusal` is their end: then no agent ever hears of them.
    """
    build = Build(
        number=0,
        repository=request.repository,
        repository_url=request.repository_url,
        commit=request.commit,
        command=request.command,
        priority=request.priority,
        status=Status.WAITING,
        created_at=now,
        labels=request.labels,
        asked_by=request.asked_by,
    )
    labels = write_labels(build.labels)
    if refusal is not None:
        build = replace(
            build,
            status=refusal.status,
            reason=refusal.reason,
            message=refusal.message,
            finished_at=now,
        )
    stored = connection.execute(
        _BUILD,
        {
            "repository": build.repository,
            "repository_url": build.repository_url,
            "commit": build.commit,
            "branch": build.commit,  # until an agent has looked: under this it is found
            "command": build.command,
            "priority": build.priority,
            "status": build.status,
            "reason": build.reason,
            "message": build.message,
            "created_at": build.created_at,
            "finished_at": build.finished_at,
            "labels": labels,
            "asked_by": build.asked_by,
        },
    )
    assert stored.inserted_primary_key is not None  # every INSERT of one row has one
    number = stored.inserted_primary_key[0]
    connection.execute(
        _JOB,
        {
            "build": number,
            "job": 1,
            "name": JOB_NAME,
            "status": build.status,
            "priority": build.priority,
            "tries": 0,
            "labels": labels,
        },
    )
    return replace(build, number=number)


def get(connection: Connection, number: int) -> Build | None:
    """Return a build, or None."""
    row = connection.execute(_BY_NUMBER, {"number": number}).first()
    return to_build(row) if row else None


def whole(
    connection: Connection, numbers: Collection[int]
) -> dict[int, tuple[Build, list[Attempt]]]:
    """Return builds with their attempts, oldest first, as they were at one moment.

    Else one that is put back in between would run, and have no attempt.
    """
    with snapshot(connection):
        rows = connection.execute(_SOME, {"numbers": list(numbers)}).all()
        tries = attempts_of(connection, numbers)
    return {build.number: (build, tries[build.number]) for build in map(to_build, rows)}


def attempts_of(connection: Connection, numbers: Collection[int]) -> dict[int, list[Attempt]]:
    """Return the attempts of each build, oldest first."""
    rows = connection.execute(_ATTEMPTS, {"numbers": list(numbers)})
    found: dict[int, list[Attempt]] = {number: [] for number in numbers}
    for attempt in map(to_attempt, rows):
        found[attempt.build].append(attempt)
    return found


def running(connection: Connection) -> int:
    """Count the builds that run."""
    query = select(func.count()).select_from(builds).where(builds.c.status == Status.RUNNING)
    return connection.execute(query).scalar_one()


def oldest_waiting(connection: Connection) -> datetime | None:
    """When the oldest of the builds that wait was accepted: one step into an index."""
    query = select(builds.c.created_at).where(builds.c.status == Status.WAITING)
    return connection.execute(query.order_by(builds.c.number).limit(1)).scalar()
