"""What earlier builds tell of others: how long such builds take. Each function is one transaction.

Each looks into an index and reads a few rows, under any history.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import BindParameter, Connection, bindparam, func, literal, select, text

from ci.model import MAX_KIND_CHARS, Build, Kind, Status
from ci.server.store.tables import IS_GREEN, IS_OVER, KIND_OF_COMMAND, agents, attempts, builds
from ci.server.views import Neighbours

# Of a repository, so many builds are looked through for green ones: it may never have had any.
LOOKED_THROUGH: Final = 200
# And so many that begin as a long command does, for one that goes on as it.
SAME_BEGINNING: Final = 10

# SQLite is told the index, since it takes all that look alike for equally good: by that of lists it
# would read every green build of a repository for a command that was never green. Without this
# one, whose expression is the same word for word, it says so instead of reading everything.
_OF_KIND: Final = text(
    "SELECT number, duration_s FROM builds INDEXED BY builds_green WHERE repository = :repository"
    " AND substr(command, 1, 200) = :command AND status = 'success' AND duration_s IS NOT NULL"
    " ORDER BY number DESC LIMIT :limit"
)

_GREEN_OF_COMMAND: Final = text(
    "SELECT number, command FROM builds INDEXED BY builds_green WHERE repository = :repository"
    " AND substr(command, 1, 200) = :command AND status = 'success' AND number < :before"
    " ORDER BY number DESC LIMIT :limit"
)

# What is asked for again and again as builds come and go.
_NUMBERS: Final[BindParameter[int]] = bindparam("numbers", expanding=True)
_TOOK: Final = (
    select(builds.c.repository, KIND_OF_COMMAND, builds.c.number, builds.c.duration_s)
    .where(builds.c.number.in_(_NUMBERS), IS_GREEN, builds.c.duration_s.is_not(None))
    .order_by(builds.c.number)
)
_KINDS: Final = select(builds.c.number, builds.c.repository, KIND_OF_COMMAND).where(
    builds.c.number.in_(_NUMBERS)
)


def durations(connection: Connection, kind: Kind, limit: int) -> list[tuple[int, float]]:
    """Return the last `limit` green builds of a kind, and the seconds each took, the newest first.

    Agents that others wrote need not tell; then the build does not count.
    """
    if kind.command is not None:
        values = {"repository": kind.repository, "command": kind.command, "limit": limit}
        return [(row.number, row.duration_s) for row in connection.execute(_OF_KIND, values)]
    if kind.repository is not None:
        return _durations_of_repository(connection, kind.repository, limit)
    known = select(builds.c.number, builds.c.duration_s)
    green = known.where(IS_GREEN, builds.c.duration_s.is_not(None))
    rows = connection.execute(green.order_by(builds.c.number.desc()).limit(limit))
    return [(row.number, row.duration_s) for row in rows]


def took(connection: Connection, numbers: Collection[int]) -> list[tuple[Kind, int, float]]:
    """Return kind, number and duration of those that are green, and told how long they took."""
    rows = connection.execute(_TOOK, {"numbers": list(numbers)})
    return [(Kind(*kind), number, duration_s) for *kind, number, duration_s in rows]


def kinds(connection: Connection, numbers: Collection[int]) -> dict[int, Kind]:
    """Return of which kind each of some builds is."""
    rows = connection.execute(_KINDS, {"numbers": list(numbers)})
    return {number: Kind(*kind) for number, *kind in rows}


def ended_since(connection: Connection, since: datetime) -> list[tuple[str, datetime, datetime]]:
    """Return agent, begin and end of the attempts that have ended after a time."""
    rows = connection.execute(
        select(attempts.c.agent, attempts.c.started_at, attempts.c.finished_at).where(
            # All that are known: the index has them by agent, and then by time.
            attempts.c.agent.in_(select(agents.c.name)),
            IS_OVER,
            attempts.c.finished_at > since,
        )
    )
    return [(agent, began, ended) for agent, began, ended in rows]


def neighbours(connection: Connection, build: Build) -> Neighbours:
    """Find the builds before and after one, and the last green one before it."""
    branch = _branch_of(build)
    near = [builds.c.repository == build.repository]
    if branch:
        near.append(builds.c.branch == branch)
    before = select(func.max(builds.c.number)).where(*near, builds.c.number < build.number)
    after = select(func.min(builds.c.number)).where(*near, builds.c.number > build.number)
    return Neighbours(
        branch,
        connection.execute(before).scalar(),
        connection.execute(after).scalar(),
        next(iter(_greens_of_branch(connection, build, branch)), None),
    )


def greens(connection: Connection, build: Build) -> tuple[list[int], list[int]]:
    """Find the last green builds before one that did the same, the newest first.

    First those of its branch, then those of any.
    """
    of_branch = _greens_of_branch(connection, build, _branch_of(build))
    return of_branch, _greens_of_command(connection, build)


def _branch_of(build: Build) -> str:
    """Return under which branch it is found: what was asked for, until an agent has looked."""
    return build.commit if build.branch is None else build.branch


def _greens_of_command(connection: Connection, build: Build) -> list[int]:
    values = {
        "repository": build.repository,
        "command": build.command[:MAX_KIND_CHARS],
        "before": build.number,
        "limit": SAME_BEGINNING,
    }
    rows = connection.execute(_GREEN_OF_COMMAND, values)
    return [row.number for row in rows if row.command == build.command]


def _greens_of_branch(connection: Connection, build: Build, branch: str) -> list[int]:
    rows = connection.execute(
        select(builds.c.number, builds.c.command)
        .where(
            builds.c.repository == build.repository,
            builds.c.branch == branch,
            literal(build.command[:MAX_KIND_CHARS]) == KIND_OF_COMMAND,
            builds.c.number < build.number,
            IS_GREEN,
        )
        .order_by(builds.c.number.desc())
        .limit(SAME_BEGINNING)
    )
    # Not asked of the database, which would then leave the index for another one.
    return [row.number for row in rows if row.command == build.command]


def _durations_of_repository(
    connection: Connection, repository: str, limit: int
) -> list[tuple[int, float]]:
    recent = (
        select(builds.c.number, builds.c.status, builds.c.duration_s)
        .where(builds.c.repository == repository)
        .order_by(builds.c.number.desc())
        .limit(LOOKED_THROUGH)
    )
    green = (row for row in connection.execute(recent) if row.status == Status.SUCCESS)
    known = [(row.number, row.duration_s) for row in green if row.duration_s is not None]
    return known[:limit]
