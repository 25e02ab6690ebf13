"""How attempts end: by their agent, by the server, or canceled. One function, one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, select

from ci.errors import Conflict, GivenUp
from ci.model import MAX_ATTEMPTS, TRY_AGAIN, Attempt, Build, Outcome, Reason, Status
from ci.server.store import builds as build_rows
from ci.server.store import removal
from ci.server.store.attempts import (
    close_log,
    get,
    keep_commit,
    note_secrets,
    of_job,
    wait_again,
)
from ci.server.store.line import Waits
from ci.server.store.rows import change
from ci.server.store.tables import IS_CURRENT, attempts, builds, jobs

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
class Canceled:
    """A build that was canceled, with the ids of its attempts that were running."""

    build: Build
    ids: tuple[str, ...]


def end(connection: Connection, id: str, outcome: Outcome, now: datetime) -> Ended:
    """End an attempt as its agent or the server says; its build ends with it, or waits again.

    Of a canceled one only the log ends: with the size that its agent says, or without one when the
    server gives its agent up.
    Returns the same for an identical repeat. Raises GivenUp when the attempt is over.
    """
    changed = change(
        connection,
        attempts,
        {"id": id},
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
        checkout_s=outcome.checkout_s,
    )
    attempt = get(connection, id)
    if attempt is None:
        raise GivenUp(f"there is no attempt {id}", field="id")
    if not changed and attempt.log_open:
        return Ended(close_log(connection, id, outcome.log_size, outcome.log_sha256))
    if not changed:
        if _repeats(attempt, outcome):
            return Ended(attempt, repeated=True)
        raise GivenUp(f"attempt {id} is over: {attempt.reason}", field="id")
    if outcome.secrets:
        note_secrets(connection, id, outcome.secrets)
    if outcome.commit is not None:
        keep_commit(connection, attempt.build, outcome.commit)
    if outcome.reason in TRY_AGAIN:
        lost = _lost_attempts(connection, attempt)
        if len(lost) < MAX_ATTEMPTS:
            return Ended(attempt, again=wait_again(connection, attempt, outcome.message))
        agents = ", ".join(each.agent for each in lost)
        message = f"{_MANY[MAX_ATTEMPTS]} lost (agents {agents}). The last one: {outcome.message}"
        _end_build(connection, attempt, outcome, message, now)
    else:
        _end_build(connection, attempt, outcome, outcome.message, now)
    return Ended(attempt)


def cancel(
    connection: Connection, number: int, now: datetime, by: str = "", message: str = ""
) -> Canceled:
    """Cancel a build; `message` says why, if it was not simply somebody who wanted it.

    Raises NotFound, and Conflict when the build has ended.
    """
    running = and_(attempts.c.build == number, IS_CURRENT)
    ids = tuple(connection.execute(select(attempts.c.id).where(running)).scalars())
    message = message or f"{by or 'Somebody'} canceled it."
    end = {"reason": Reason.CANCELED, "message": message, "finished_at": now}
    started = connection.execute(
        select(builds.c.started_at).where(builds.c.number == number)
    ).scalar()
    if started is not None:
        end["duration_s"] = (now - started).total_seconds()
    changed = change(connection, builds, {"number": number}, Status.CANCELED, **end)
    build = build_rows.get(connection, number)
    if build is None:
        raise removal.not_found(connection, number)
    if not changed:
        raise Conflict(f"build {number} has ended: {build.status}", field="number")
    change(connection, jobs, {"build": number}, Status.CANCELED)
    change(connection, attempts, {"build": number}, Status.CANCELED, **end)
    return Canceled(build, ids)


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


def _lost_attempts(connection: Connection, attempt: Attempt) -> tuple[Attempt, ...]:
    of_build = build_rows.attempts_of(connection, [attempt.build])[attempt.build]
    return tuple(a for a in of_build if a.job == attempt.job and a.reason in TRY_AGAIN)


def _end_build(
    connection: Connection, attempt: Attempt, outcome: Outcome, message: str, now: datetime
) -> None:
    change(connection, jobs, of_job(attempt), outcome.status)
    change(
        connection,
        builds,
        {"number": attempt.build},
        outcome.status,
        reason=outcome.reason,
        message=message,
        finished_at=now,
        duration_s=outcome.duration_s,
        exit_code=outcome.exit_code,
        log_size=outcome.log_size,
    )
