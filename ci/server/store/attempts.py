"""What happens to attempts: leased, put back, ended, canceled. Each function is one transaction.

An attempt is current while its status is `running`. A build, its job and its attempt always change
together. Whoever holds the id of one that is over is fenced off, with one exception: the log of a
canceled one stays open until its agent has brought the end of it, or is given up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, exists, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from ci.errors import Conflict, GivenUp
from ci.model import (
    MAX_ATTEMPTS,
    TRY_AGAIN,
    Attempt,
    Build,
    CommitInfo,
    Lease,
    Outcome,
    Reason,
    Status,
    attempt_id,
)
from ci.server.store import builds as build_rows
from ci.server.store import removal
from ci.server.store.line import Waits, in_line
from ci.server.store.rows import change, to_attempt
from ci.server.store.tables import IS_CURRENT, IS_OPEN, IS_WAITING, attempts, builds, jobs

_MANY = {1: "One attempt was", 2: "Two attempts were", 3: "Three attempts were"}


@dataclass(frozen=True, slots=True)
class Ended:
    """What the end of an attempt meant: `again` is its place in line if its build waits again.

    With `repeated` it had ended so before, and nothing was changed.
    """

    attempt: Attempt
    again: Waits | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class PutBack:
    """A build whose lease was undone; `waits` is None if it was canceled meanwhile."""

    number: int
    waits: Waits | None


@dataclass(frozen=True, slots=True)
class Canceled:
    """A build that was canceled, with the ids of its attempts that were running."""

    build: Build
    ids: tuple[str, ...]


def get(connection: Connection, id: str) -> Attempt | None:
    """Return an attempt, or None."""
    row = connection.execute(select(attempts).where(attempts.c.id == id)).first()
    return to_attempt(row) if row else None


def held(connection: Connection, agent: str) -> tuple[Attempt, ...]:
    """Return the attempts that an agent may still deliver: current ones, and canceled ones."""
    rows = connection.execute(select(attempts).where(attempts.c.agent == agent, IS_OPEN))
    return tuple(map(to_attempt, rows))


def current(connection: Connection) -> dict[str, list[Attempt]]:
    """Return the current attempts of every agent that has any."""
    found: dict[str, list[Attempt]] = {}
    rows = connection.execute(select(attempts).where(IS_OPEN, IS_CURRENT))
    for attempt in map(to_attempt, rows):
        found.setdefault(attempt.agent, []).append(attempt)
    return found


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
    change(connection, jobs, _job(attempt), Status.RUNNING, tries=attempt.try_number)
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
        _close_log(connection, id, size=0)  # nobody has begun it
        return PutBack(attempt.build, None)
    connection.execute(delete(attempts).where(attempts.c.id == id))
    return PutBack(attempt.build, _wait_again(connection, attempt, message=""))


def end(connection: Connection, id: str, outcome: Outcome, now: datetime) -> Ended:
    """End an attempt as its agent or the server says; its build ends with it, or waits again.

    Of a canceled one only the log ends: with the size that its agent says, or without one when the
    server gives its agent up.
    Returns the same for an identical repeat. Raises GivenUp when the attempt is over.
    """
    key = attempts.c.id == id
    changed = change(
        connection,
        attempts,
        key,
        outcome.status,
        reason=outcome.reason,
        message=outcome.message,
        finished_at=now,
        duration_s=outcome.duration_s,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        log_size=outcome.log_size,
        log_sha256=outcome.log_sha256,
        log_open=False,
    )
    attempt = get(connection, id)
    if attempt is None:
        raise GivenUp(f"there is no attempt {id}", field="id")
    if not changed and attempt.log_open:
        return Ended(_close_log(connection, id, outcome.log_size, outcome.log_sha256))
    if not changed:
        if _repeats(attempt, outcome):
            return Ended(attempt, repeated=True)
        raise GivenUp(f"attempt {id} is over: {attempt.reason}", field="id")
    if outcome.commit is not None:
        _note_commit(connection, attempt.build, outcome.commit)
    if outcome.reason in TRY_AGAIN:
        lost = _lost_attempts(connection, attempt)
        if len(lost) < MAX_ATTEMPTS:
            return Ended(attempt, again=_wait_again(connection, attempt, outcome.message))
        agents = ", ".join(each.agent for each in lost)
        message = f"{_MANY[MAX_ATTEMPTS]} lost (agents {agents}). The last one: {outcome.message}"
        _end_build(connection, attempt, outcome, message, now)
    else:
        _end_build(connection, attempt, outcome, outcome.message, now)
    return Ended(attempt)


def cancel(connection: Connection, number: int, now: datetime) -> Canceled:
    """Cancel a build.

    Raises NotFound, and Conflict when the build has ended.
    """
    key = builds.c.number == number
    running = and_(attempts.c.build == number, IS_CURRENT)
    ids = tuple(connection.execute(select(attempts.c.id).where(running)).scalars())
    end = {"reason": Reason.CANCELED, "message": "Somebody canceled it.", "finished_at": now}
    started = connection.execute(select(builds.c.started_at).where(key)).scalar()
    if started is not None:
        end["duration_s"] = (now - started).total_seconds()
    changed = change(connection, builds, key, Status.CANCELED, **end)
    build = build_rows.get(connection, number)
    if build is None:
        raise removal.not_found(connection, number)
    if not changed:
        raise Conflict(f"build {number} has ended: {build.status}", field="number")
    change(connection, jobs, jobs.c.build == number, Status.CANCELED)
    change(connection, attempts, attempts.c.build == number, Status.CANCELED, **end)
    return Canceled(build, ids)


def note_commit(connection: Connection, id: str, commit: CommitInfo) -> Attempt | None:
    """Keep what an agent found behind the commit; None if it does not hold the attempt."""
    attempt = get(connection, id)
    if attempt is None or attempt.status is not Status.RUNNING:
        return None
    _note_commit(connection, attempt.build, commit)
    return attempt


def note_cut(connection: Connection, id: str, cut: int) -> Attempt | None:
    """Keep where the middle of a log is left out; what was said first holds."""
    key = and_(attempts.c.id == id, attempts.c.log_cut.is_(None))
    connection.execute(update(attempts).where(key).values(log_cut=cut))
    return get(connection, id)


def _job(attempt: Attempt) -> ColumnElement[bool]:
    return and_(jobs.c.build == attempt.build, jobs.c.job == attempt.job)


def _close_log(
    connection: Connection, id: str, size: int | None, sha256: str | None = None
) -> Attempt:
    """Take no more of a canceled attempt's log; without a size its end is given up."""
    key = and_(attempts.c.id == id, IS_OPEN)
    connection.execute(
        update(attempts).where(key).values(log_open=False, log_size=size, log_sha256=sha256)
    )
    attempt = get(connection, id)
    assert attempt is not None  # who calls this has just read it
    return attempt


def _repeats(attempt: Attempt, outcome: Outcome) -> bool:
    """Whether the attempt ended by these very words; the message tells who said them.

    How a canceled one ended is not its agent's to say: it only brings the log.
    """
    if attempt.status is Status.CANCELED:
        return attempt.log_size is not None and attempt.log_size == outcome.log_size
    ended = (attempt.status, attempt.reason, attempt.message, attempt.exit_code, attempt.log_size)
    return ended == (
        outcome.status,
        outcome.reason,
        outcome.message,
        outcome.exit_code,
        outcome.log_size,
    )


def _lost_at(connection: Connection, attempt: Attempt) -> datetime | None:
    """When the last attempt before this one was lost; None when none was."""
    query = select(attempts.c.finished_at).where(
        attempts.c.build == attempt.build, attempts.c.job == attempt.job, ~IS_CURRENT
    )
    return connection.execute(query.order_by(attempts.c.try_number.desc()).limit(1)).scalar()


def _lost_attempts(connection: Connection, attempt: Attempt) -> tuple[Attempt, ...]:
    of_build = build_rows.attempts_of(connection, [attempt.build])[attempt.build]
    return tuple(a for a in of_build if a.job == attempt.job and a.reason in TRY_AGAIN)


def _wait_again(connection: Connection, attempt: Attempt, message: str) -> Waits:
    change(connection, jobs, _job(attempt), Status.WAITING)
    change(
        connection,
        builds,
        builds.c.number == attempt.build,
        Status.WAITING,
        started_at=None,
        agent=None,
        message=message,
    )
    build = build_rows.get(connection, attempt.build)
    assert build is not None  # an attempt has one, by its foreign key
    return in_line(connection, build)


def _end_build(
    connection: Connection, attempt: Attempt, outcome: Outcome, message: str, now: datetime
) -> None:
    change(connection, jobs, _job(attempt), outcome.status)
    change(
        connection,
        builds,
        builds.c.number == attempt.build,
        outcome.status,
        reason=outcome.reason,
        message=message,
        finished_at=now,
        duration_s=outcome.duration_s,
        exit_code=outcome.exit_code,
        log_size=outcome.log_size,
    )


def _note_commit(connection: Connection, number: int, commit: CommitInfo) -> None:
    connection.execute(
        update(builds)
        .where(builds.c.number == number)
        .values(
            commit_hash=commit.commit_hash,
            subject=commit.subject,
            author=commit.author,
            branch=commit.branch,
        )
    )
