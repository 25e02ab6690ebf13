"""How attempts begin: leased to an agent, or put back. Each function is one transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select, text

from ci.model import Attempt, Labels, Lease, Status, attempt_id
from ci.server.store import builds as build_rows
from ci.server.store import external
from ci.server.store.attempts import close_log, get, of_job, wait_again
from ci.server.store.line import Waits
from ci.server.store.rows import change, read_labels, write_labels
from ci.server.store.tables import IS_CURRENT, attempts, builds, jobs

# Each set of labels that is asked for: one step into the index for each, however many wait.
_LINES: Final = text(
    "WITH RECURSIVE line (labels) AS (SELECT min(labels) FROM jobs WHERE status = 'waiting'"
    "  AND held = 0"
    " UNION ALL SELECT (SELECT min(jobs.labels) FROM jobs"
    "  WHERE jobs.status = 'waiting' AND jobs.held = 0 AND jobs.labels > line.labels)"
    " FROM line WHERE line.labels IS NOT NULL)"
    " SELECT labels FROM line WHERE labels IS NOT NULL"
)
# The first of each such line, and of these the first. `lines` is a list of pairs: labels, and
# whether to leave out what the agent has lost before.
_NEXT: Final = text(
    "SELECT jobs.build, jobs.job, jobs.tries FROM json_each(:lines) AS line"
    " JOIN jobs ON jobs.rowid = (SELECT first.rowid FROM jobs AS first"
    "  WHERE first.status = 'waiting' AND first.held = 0"
    "  AND first.labels = json_extract(line.value, '$[0]')"
    "  AND NOT (json_extract(line.value, '$[1]') AND EXISTS (SELECT 1 FROM attempts"
    "   WHERE attempts.build = first.build AND attempts.agent = :agent))"
    "  ORDER BY first.priority DESC, first.build, first.job LIMIT 1)"
    " ORDER BY jobs.priority DESC, jobs.build, jobs.job LIMIT 1"
)

_INSERT: Final = insert(attempts)


@dataclass(frozen=True, slots=True)
class PutBack:
    """A build whose lease was undone; `waits` is None if it was canceled meanwhile."""

    number: int
    waits: Waits | None


def lease(
    connection: Connection,
    agent: str,
    now: datetime,
    has: frozenset[str] = frozenset(),
    shared: Collection[Labels] = (),
) -> Lease | None:
    """Give the job that is next in line to an agent as a new attempt, or None if none waits.

    It asks for nothing but labels that the agent `has`. What asks for labels that are `shared` with
    others and was lost by this agent is left to them, if something else waits: one bad agent must
    not use up all attempts of a build.
    """
    asked = [labels for labels in _asked(connection) if has.issuperset(labels)]
    found = _next(connection, agent, {labels: labels in shared for labels in asked})
    if found is None and shared:
        found = _next(connection, agent, dict.fromkeys(asked, False))
    if found is None:
        return None
    number, job, tries = found
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
        {"number": number},
        Status.RUNNING,
        started_at=now,
        agent=agent,
        message="",
    )
    connection.execute(
        _INSERT,
        {
            "id": attempt.id,
            "build": number,
            "job": job,
            "try_number": attempt.try_number,
            "agent": agent,
            "status": attempt.status,
            "message": "",
            "started_at": now,
            "log_open": True,
        },
    )
    build = build_rows.get(connection, number)
    assert build is not None  # a job has a build, by its foreign key
    report = external.of_builds(connection, [number]).get(number)
    return Lease(
        attempt,
        build,
        _lost_at(connection, attempt) if tries else None,
        origin=report.origin if report else None,
    )


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


def _asked(connection: Connection) -> list[Labels]:
    """Find the sets of labels that are asked for."""
    return [read_labels(labels) for labels in connection.execute(_LINES).scalars()]


def _next(
    connection: Connection, agent: str, lines: Mapping[Labels, bool]
) -> tuple[int, int, int] | None:
    """Find build, job and tries of what is next in some lines."""
    pairs = [(write_labels(labels), leaves) for labels, leaves in lines.items()]
    row = connection.execute(_NEXT, {"lines": json.dumps(pairs), "agent": agent}).first()
    return None if row is None else (row.build, row.job, row.tries)


def _lost_at(connection: Connection, attempt: Attempt) -> datetime | None:
    """When the last attempt before this one was lost; None when none was."""
    query = select(attempts.c.finished_at).where(
        attempts.c.build == attempt.build, attempts.c.job == attempt.job, ~IS_CURRENT
    )
    return connection.execute(query.order_by(attempts.c.try_number.desc()).limit(1)).scalar()
