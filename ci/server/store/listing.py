"""Listing: a page of builds by any filter, newest first; and how many there are of each status.

A page costs the same however many builds there are. Filters by which the pages offer links are
answered by indexes that have the numbers in order. Whatever else is asked, above all a text, is
looked for in a bounded number of builds at once, and the answer says how far that was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Row,
    String,
    Subquery,
    and_,
    cast,
    func,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement

from ci.model import Build, Status
from ci.server.store.removal import newest_number
from ci.server.store.rows import to_build
from ci.server.store.tables import builds, tallies
from ci.server.views import BuildFilter, BuildPage

# Numbers that one request looks through for what no index answers: 0.12 s of a processor.
MAX_LOOK: Final = 200_000
# What stands before status and number in an index, the narrowest first.
_INDEXES: Final = (
    frozenset({"repository", "branch"}),
    frozenset({"agent"}),
    frozenset({"repository"}),
    frozenset[str](),
)

_ENDED: Final = tuple(status for status in Status if status.ended)

_Condition = ColumnElement[bool]


def needs_look(wanted: BuildFilter) -> bool:
    """Whether builds must be looked through: that is no work for the main thread."""
    return bool(wanted.text) or _index_for(wanted) != _asked(wanted)


def page(connection: Connection, wanted: BuildFilter, max_look: int = MAX_LOOK) -> BuildPage:
    """Return the newest builds that fit, or those next to `before` or `after`.

    Where builds must be looked through, that is done with `max_look` numbers.
    """
    search = _search(connection, wanted, max_look)
    if wanted.after is not None:
        return _newer(connection, search, wanted.after, wanted.limit)
    return _older(connection, search, wanted.before, wanted.limit)


def results(connection: Connection, wanted: BuildFilter, limit: int) -> tuple[Build, ...]:
    """Return the last builds that have ended, newest first; the filter's status does not count.

    None where they would have to be looked for.
    """
    if needs_look(wanted):
        return ()
    search = _search(connection, replace(wanted, status=None), MAX_LOOK, _ENDED)
    rows = _rows(connection, search.numbers(search.oldest, search.newest, limit))
    return tuple(map(to_build, rows))


def counts(connection: Connection, repository: str | None = None) -> dict[Status, int]:
    """Count the builds of each status, or those of one repository."""
    query = select(tallies.c.status, func.sum(tallies.c.builds)).group_by(tallies.c.status)
    if repository is not None:
        query = query.where(tallies.c.repository.in_(_names(connection, repository)))
    found = {Status(status): count for status, count in connection.execute(query)}
    return {status: found.get(status, 0) for status in Status}


@dataclass(frozen=True, slots=True)
class _Search:
    """What is asked of an index in each of some `ways`, and of each build that was found so."""

    ways: tuple[_Condition, ...]
    rest: tuple[_Condition, ...]
    oldest: int  # of all builds
    newest: int
    reach: int  # how many numbers may be looked through

    def numbers(self, low: int, high: int, limit: int, *, upwards: bool = False) -> Subquery:
        """Ask for the first that fit, from `high` down or from `low` up."""
        number = builds.c.number
        order = number.asc() if upwards else number.desc()
        found = [
            select(number)
            .where(way, *self.rest, number.between(low, high))
            .order_by(order)
            .limit(limit)
            .subquery()
            for way in self.ways
        ]
        if len(found) == 1:
            return found[0]
        # Each way is in order, so that of each no more is read than may be shown.
        joined = union_all(*(select(one.c.number) for one in found)).subquery().c.number
        order = joined.asc() if upwards else joined.desc()
        return select(joined).order_by(order).limit(limit).subquery()

    def any(self, connection: Connection, low: int, high: int) -> bool:
        """Whether there is one; or whether there may be, where that takes a look."""
        low, high = max(low, self.oldest), min(high, self.newest)
        if low > high or self.rest:
            return low <= high
        return connection.execute(select(self.numbers(low, high, 1))).first() is not None


def _older(connection: Connection, search: _Search, before: int | None, limit: int) -> BuildPage:
    high = search.newest if before is None else min(search.newest, before - 1)
    low = max(search.oldest, high - search.reach + 1)
    rows = _rows(connection, search.numbers(low, high, limit + 1))
    found = tuple(map(to_build, rows[:limit]))
    full, more = len(rows) > limit, low > search.oldest
    top = found[0].number if found else high
    return BuildPage(
        found,
        next=found[-1].number if full else low if more else None,
        newer=top
        if before is not None and search.any(connection, top + 1, search.newest)
        else None,
        looked_to=low if more and not full else None,
    )


def _newer(connection: Connection, search: _Search, after: int, limit: int) -> BuildPage:
    high = min(search.newest, after + search.reach)
    rows = _rows(connection, search.numbers(after + 1, high, limit + 1, upwards=True))
    found = tuple(map(to_build, rows[-limit:]))
    full, more = len(rows) > limit, high < search.newest
    bottom = found[-1].number if found else after + 1
    return BuildPage(
        found,
        next=bottom if search.any(connection, search.oldest, bottom - 1) else None,
        newer=found[0].number if full else high if more else None,
        looked_to=high if more and not full else None,
    )


def _rows(connection: Connection, numbers: Subquery) -> Sequence[Row[Any]]:
    shown = select(builds).where(builds.c.number.in_(select(numbers.c.number)))
    return connection.execute(shown.order_by(builds.c.number.desc())).all()


def _search(
    connection: Connection,
    wanted: BuildFilter,
    max_look: int,
    statuses: Collection[Status] = tuple(Status),
) -> _Search:
    index, asked = _index_for(wanted), _asked(wanted)
    way = [_is(connection, wanted, name) for name in sorted(index)]
    rest = [_is(connection, wanted, name) for name in sorted(asked - index)]
    if wanted.text:
        rest.append(_has_text(wanted.text))
    ways: list[_Condition] = [true()]
    if wanted.status is not None:
        statuses = [wanted.status]
    if way or len(statuses) < len(Status):
        # An index has the numbers in order only where it is asked for a status as well.
        ways = [and_(*way, builds.c.status == status) for status in statuses]
    oldest = connection.execute(select(func.min(builds.c.number))).scalar() or 1
    newest = newest_number(connection)
    return _Search(tuple(ways), tuple(rest), oldest, newest, reach=max_look if rest else newest)


def _asked(wanted: BuildFilter) -> frozenset[str]:
    names = ("repository", "branch", "agent")
    return frozenset(name for name in names if getattr(wanted, name) is not None)


def _index_for(wanted: BuildFilter) -> frozenset[str]:
    asked = _asked(wanted)
    return next(index for index in _INDEXES if index <= asked)


def _is(connection: Connection, wanted: BuildFilter, column: str) -> _Condition:
    value: str = getattr(wanted, column)
    if column != "repository":
        is_value: _Condition = builds.c[column] == value
        return is_value
    names = _names(connection, value)
    # Numbers of several names are in no order, which is slow, and seldom: they share an URL.
    return builds.c.repository == names[0] if len(names) == 1 else builds.c.repository.in_(names)


def _names(connection: Connection, repository: str) -> Sequence[str]:
    """Name the repositories that are called so, or that have, or had, this URL."""
    is_meant = or_(tallies.c.repository == repository, tallies.c.repository_url == repository)
    query = select(tallies.c.repository).where(is_meant).distinct()
    return connection.execute(query).scalars().all() or [repository]


def _has_text(text: str) -> _Condition:
    searched = (
        cast(builds.c.number, String),
        builds.c.commit,
        builds.c.commit_hash,
        builds.c.subject,
        builds.c.author,
        builds.c.branch,
        builds.c.command,
        builds.c.agent,
    )
    # In SQLite the case does not matter to LIKE; to compare lower() takes three times as long.
    return or_(*(column.contains(text, autoescape=True) for column in searched))
