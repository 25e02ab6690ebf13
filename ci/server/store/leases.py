"""How attempts begin: leased to an agent, or put back. Each function is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, exists, insert, select

from ci.model import Attempt, Lease, Status, attempt_id
from ci.server.store import builds as build_rows
from ci.server.store.attempts import close_log, get, of_job, wait_again
from ci.server.store.line import Waits
from ci.server.store.rows import change
from ci.server.store.tables import IS_CURRENT, IS_WAITING, attempts, builds, jobs


@dataclass(frozen=True, slots=True)
class PutBack:
    """A build whose lease was undone; `waits` is None if it was canceled meanwhile."""

    number: int
    waits: Waits | None


def lease(
    connection: Connection, agent: str, now: datetime, *, has_peers: bool = False
) -> Lease | None:
    """Give the job that is next in line to an agent as a new attempt, or None if none waits.

    An agent that `has_peers` leaves to them, if it can, what it has lost before: one bad agent
    must not use up all attempts of a build.
    """
    line = (
        select(jobs.c.build, jobs.c.job, jobs.c.tries)
        .where(IS_WAITING)
        .order_by(jobs.c.priority.desc(), jobs.c.build, jobs.c.job)
        .limit(1)
    )
    row = None
    if has_peers:
        lost_here = and_(attempts.c.build == jobs.c.build, attempts.c.agent == agent)
        row = connection.execute(line.where(~exists().where(lost_here))).first()
    row = row or connection.execute(line).first()
    if row is None:
        return None
    number, job, tries = row
    attempt = Attempt(
        id=attempt_id(number, job, tries + 1),
        build=number,
        job=job,
        try_number=tries + 1,
        agent=agent,
        status=Status.RUNNING,
        started_at=now,
        log_open=True,
    )
    change(connection, jobs, of_job(attempt), Status.RUNNING, tries=attempt.try_number)
    change(
        connection,
        builds,
        builds.c.number == number,
        Status.RUNNING,
        started_at=now,
        agent=agent,
        message="",
    )
    connection.execute(
        insert(attempts).values(
            id=attempt.id,
            build=number,
            job=job,
            try_number=attempt.try_number,
            agent=agent,
            status=attempt.status,
            message="",
            started_at=now,
            log_open=True,
        )
    )
    build = build_rows.get(connection, number)
    assert build is not None  # a job has a build, by its foreign key
    return Lease(attempt, build, _lost_at(connection, attempt) if tries else None)


def put_back(connection: Connection, id: str) -> PutBack | None:
    """Undo a lease that its agent never took; its id is not used again.

    Returns where its build waits again, or that it is canceled and will get no more log; or None if
    the attempt was over already.
    """
    attempt = get(connection, id)
    if attempt is None or not attempt.log_open:
        return None
    if attempt.status is Status.CANCELED:
        close_log(connection, id, size=0)  # nobody has begun it
        return PutBack(attempt.build, None)
    connection.execute(delete(attempts).where(attempts.c.id == id))
    return PutBack(attempt.build, wait_again(connection, attempt, message=""))


def _lost_at(connection: Connection, attempt: Attempt) -> datetime | None:
    """When the last attempt before this one was lost; None when none was."""
    query = select(attempts.c.finished_at).where(
        attempts.c.build == attempt.build, attempts.c.job == attempt.job, ~IS_CURRENT
    )
    return connection.execute(query.order_by(attempts.c.try_number.desc()).limit(1)).scalar()
