"""What is kept of attempts, and what all changes of them share. One function, one transaction.

An attempt is current while its status is `running`. A build, its job and its attempt always change
together. Whoever holds the id of one that is over is fenced off, with one exception: the log of a
canceled one stays open until its agent has brought the end of it, or is given up.

How they begin is in `leases.py`, how they end in `ends.py`. What each build needs is a statement
that is made once: to make one costs more than to execute it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from ci.model import Attempt, CommitInfo, Status
from ci.server.store import builds as build_rows
from ci.server.store.line import Waits, in_line
from ci.server.store.rows import change, to_attempt
from ci.server.store.tables import IS_CURRENT, IS_OPEN, attempts, builds, jobs

_BY_ID: Final = select(attempts).where(attempts.c.id == bindparam("id"))
_HELD: Final = select(attempts).where(attempts.c.agent == bindparam("agent"), IS_OPEN)
_CURRENT: Final = select(attempts).where(IS_OPEN, IS_CURRENT)
_COMMIT: Final = update(builds).where(builds.c.number == bindparam("of"))
_UNCUT: Final = update(attempts).where(
    attempts.c.id == bindparam("of"), attempts.c.log_cut.is_(None)
)
_SECRETS: Final = update(attempts).where(attempts.c.id == bindparam("of"))
_OPEN: Final = update(attempts).where(attempts.c.id == bindparam("of"), IS_OPEN)


def get(connection: Connection, id: str) -> Attempt | None:
    """Return an attempt, or None."""
    row = connection.execute(_BY_ID, {"id": id}).first()
    return to_attempt(row) if row else None


def held(connection: Connection, agent: str) -> tuple[Attempt, ...]:
    """Return the attempts that an agent may still deliver: current ones, and canceled ones."""
    return tuple(map(to_attempt, connection.execute(_HELD, {"agent": agent})))


def current(connection: Connection) -> dict[str, list[Attempt]]:
    """Return the current attempts of every agent that has any."""
    found: dict[str, list[Attempt]] = {}
    for attempt in map(to_attempt, connection.execute(_CURRENT)):
        found.setdefault(attempt.agent, []).append(attempt)
    return found


def note_commit(connection: Connection, id: str, commit: CommitInfo) -> Attempt | None:
    """Keep what an agent found behind the commit; None if it does not hold the attempt."""
    attempt = get(connection, id)
    if attempt is None or attempt.status is not Status.RUNNING:
        return None
    keep_commit(connection, attempt.build, commit)
    return attempt


def note_cut(connection: Connection, id: str, cut: int) -> Attempt | None:
    """Keep where the middle of a log is left out; what was said first holds."""
    connection.execute(_UNCUT, {"of": id, "log_cut": cut})
    return get(connection, id)


def note_secrets(connection: Connection, id: str, note: str) -> Attempt | None:
    """Keep in words which secrets an attempt has."""
    connection.execute(_SECRETS, {"of": id, "secrets": note})
    return get(connection, id)


def keep_commit(connection: Connection, number: int, commit: CommitInfo) -> None:
    """Keep what was found behind the commit that a build was asked for with."""
    connection.execute(
        _COMMIT,
        {
            "of": number,
            "commit_hash": commit.commit_hash,
            "subject": commit.subject,
            "author": commit.author,
            "branch": commit.branch,
        },
    )


def of_job(attempt: Attempt) -> dict[str, int]:
    """Return by which columns the row of `jobs` is known that is an attempt's."""
    return {"build": attempt.build, "job": attempt.job}


def close_log(
    connection: Connection, id: str, size: int | None, sha256: str | None = None
) -> Attempt:
    """Take no more of a canceled attempt's log; without a size its end is given up."""
    connection.execute(_OPEN, {"of": id, "log_open": False, "log_size": size, "log_sha256": sha256})
    attempt = get(connection, id)
    assert attempt is not None  # who calls this has just read it
    return attempt


def wait_again(connection: Connection, attempt: Attempt, message: str) -> Waits:
    """Let an attempt's build wait again, and return its place in line; `message` says why."""
    change(connection, jobs, of_job(attempt), Status.WAITING)
    change(
        connection,
        builds,
        {"number": attempt.build},
        Status.WAITING,
        started_at=None,
        agent=None,
        message=message,
    )
    build = build_rows.get(connection, attempt.build)
    assert build is not None  # an attempt has one, by its foreign key
    return in_line(connection, build)
