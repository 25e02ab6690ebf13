"""Builds that came from an external storage. Each function is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, bindparam, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from ci.model import Build, BuildRequest, Outcome, Status
from ci.origin import Origin, Phase, Report
from ci.server.store import builds as build_rows
from ci.server.store import ends
from ci.server.store.ends import Canceled
from ci.server.store.line import Waits, in_line
from ci.server.store.tables import IS_UNREPORTED, builds, external_builds, jobs

# Made once: it is asked for each build that is leased or shown.
_NUMBERS: Final[BindParameter[int]] = bindparam("numbers", expanding=True)
_OF_BUILDS: Final = select(external_builds).where(external_builds.c.build.in_(_NUMBERS))


def take(
    connection: Connection,
    origin: Origin,
    request: BuildRequest,
    now: datetime,
    *,
    phase: Phase = Phase.TAKEN,
    refusal: Outcome | None = None,
) -> Build | None:
    """Accept a build of the storage, unless it was before; it is held back until it begins there.

    With a `refusal` it has ended by then.
    """
    if get(connection, origin.id) is not None:
        return None
    build = build_rows.accept(connection, request, now, refusal)
    connection.execute(update(jobs).where(jobs.c.build == build.number).values(held=True))
    connection.execute(
        insert(external_builds).values(
            id=origin.id,
            build=build.number,
            configuration=origin.configuration,
            number=origin.number,
            message=origin.message,
            branch=origin.branch,
            author=origin.author,
            phase=phase,
            note="",
        )
    )
    return build


def get(connection: Connection, id: str) -> Report | None:
    """Return what was told of a build of the storage; None if it was never taken."""
    return next(iter(_reports(connection, external_builds.c.id == id)), None)


def of_builds(connection: Connection, numbers: Collection[int]) -> dict[int, Report]:
    """Return by number what is told of those builds that came from the storage."""
    rows = connection.execute(_OF_BUILDS, {"numbers": list(numbers)})
    return {row.build: _report(row) for row in rows}


def unreported(connection: Connection) -> list[tuple[Report, Status]]:
    """Return all of which something is still to be told, and how their builds stand, by number."""
    rows = connection.execute(
        select(external_builds, builds.c.status)
        .join(builds, builds.c.number == external_builds.c.build)
        .where(IS_UNREPORTED)
        .order_by(external_builds.c.build)
    )
    return [(_report(row), Status(row.status)) for row in rows]


def known(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of some hundred ids that were ever taken."""
    query = select(external_builds.c.id).where(external_builds.c.id.in_(ids))
    return set(connection.execute(query).scalars())


def starting(connection: Connection, id: str, at: datetime) -> None:
    """Note that a start is about to be sent, and the time in it."""
    _advance(connection, id, Phase.STARTING, Phase.TAKEN, start=at)


def started(connection: Connection, id: str) -> Waits | None:
    """Note that it has begun there; return its place in line if it waits: an agent may have it."""
    _advance(connection, id, Phase.STARTED, Phase.TAKEN, Phase.STARTING)
    report = get(connection, id)
    assert report is not None  # it has just been read
    connection.execute(update(jobs).where(jobs.c.build == report.build).values(held=False))
    build = build_rows.get(connection, report.build)
    assert build is not None  # by its foreign key
    return in_line(connection, build) if build.status is Status.WAITING else None


def close(connection: Connection, id: str, note: str) -> None:
    """Note that nothing more is told of it."""
    _advance(connection, id, Phase.OVER, Phase.TAKEN, Phase.STARTING, Phase.STARTED, note=note)


def drop(connection: Connection, id: str, note: str, now: datetime) -> Canceled | None:
    """Close it, and cancel our build if that has not ended: None when it had."""
    close(connection, id, note)
    report = get(connection, id)
    assert report is not None  # it has just been read
    build = build_rows.get(connection, report.build)
    if build is None or build.status.ended:
        return None
    return ends.cancel(connection, report.build, now, message=note)


def _advance(connection: Connection, id: str, to: Phase, *before: Phase, **values: object) -> None:
    legal = external_builds.c.phase.in_(before)
    connection.execute(
        update(external_builds).where(external_builds.c.id == id, legal).values(phase=to, **values)
    )


def _reports(connection: Connection, key: ColumnElement[bool]) -> Iterable[Report]:
    return map(_report, connection.execute(select(external_builds).where(key)))


def _report(row: Row[Any]) -> Report:
    origin = Origin(row.id, row.configuration, row.number, row.message, row.branch, row.author)
    return Report(origin, row.build, Phase(row.phase), row.start, row.note)
