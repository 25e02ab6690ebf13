"""Listing: a page of builds by any filter, newest first; and how many there are of each status.

A page costs the same however many builds there are. Filters by which the pages offer links are
answered by indexes that have the numbers in order. Whatever else is asked, above all a text, is
looked for in a bounded number of builds at once, and the answer says how far that was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, bindparam, func, or_, select

from ci.model import Build, Status
from ci.server.store import questions
from ci.server.store.questions import Shape
from ci.server.store.removal import newest_number
from ci.server.store.rows import to_build
from ci.server.store.tables import builds, tallies
from ci.server.views import BuildFilter, BuildPage, Counts

# Numbers that one request looks through for what no index answers: 0.12 s of a processor.
MAX_LOOK: Final = 200_000
# Of what fits a filter it is counted how much there is, as far as that is cheap: to count so many
# takes half a millisecond where an index has them, else 15 ms of another processor.
MAX_COUNT: Final = 1000  # of each status
COUNT_LOOK: Final = 20_000  # numbers that are looked through for it
# What stands before status and number in an index, the narrowest first.
_INDEXES: Final = (
    frozenset({"repository", "branch"}),
    frozenset({"agent"}),
    frozenset({"repository"}),
    frozenset[str](),
)

_ENDED: Final = tuple(status for status in Status if status.ended)

# Made once: to make them takes longer than to answer them.
_OLDEST: Final = select(func.min(builds.c.number))
_COUNTS: Final = select(tallies.c.status, func.sum(tallies.c.builds)).group_by(tallies.c.status)
_COUNTS_OF: Final = _COUNTS.where(tallies.c.repository.in_(bindparam("names", expanding=True)))
_NAMED: Final[BindParameter[str]] = bindparam("named")
_NAMES: Final = (
    select(tallies.c.repository)
    .where(or_(tallies.c.repository == _NAMED, tallies.c.repository_url == _NAMED))
    .distinct()
)


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
    return tuple(map(to_build, search.rows(connection, search.oldest, search.newest, limit)))


def counts(connection: Connection, repository: str | None = None) -> dict[Status, int]:
    """Count the builds of each status, or those of one repository."""
    if repository is None:
        rows = connection.execute(_COUNTS)
    else:
        rows = connection.execute(_COUNTS_OF, {"names": _names(connection, repository)})
    found = {Status(status): count for status, count in rows}
    return {status: found.get(status, 0) for status in Status}


def count(
    connection: Connection, wanted: BuildFilter, max_look: int = COUNT_LOOK, most: int = MAX_COUNT
) -> Counts:
    """Count the builds of each status that fit; the filter's own status and place do not count."""
    if not (wanted.branch or wanted.agent or wanted.text):
        return Counts(counts(connection, wanted.repository))
    search = _search(connection, replace(wanted, status=None), max_look)
    low = max(search.oldest, search.newest - search.reach + 1)
    values = {**search.values, "low": low, "high": search.newest, "limit": most}
    rows = connection.execute(questions.counts(search.shape), values)
    found = {Status(status): number for status, number in rows}
    return Counts(
        {status: found.get(status, 0) for status in Status},
        most=None if search.shape.statuses is None else most,
        looked_to=low if low > search.oldest else None,
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """What is asked for, where, and in how many numbers at most."""

    shape: Shape
    values: dict[str, Any]
    oldest: int  # of all builds
    newest: int
    reach: int  # how many numbers may be looked through

    def rows(
        self, connection: Connection, low: int, high: int, limit: int, *, upwards: bool = False
    ) -> Sequence[Row[Any]]:
        """Return the first builds that fit, from `high` down or from `low` up; newest first."""
        values = {**self.values, "low": low, "high": high, "limit": limit}
        return connection.execute(questions.rows(self.shape, upwards=upwards), values).all()

    def any(self, connection: Connection, low: int, high: int) -> bool:
        """Whether there is one; or whether there may be, where that takes a look."""
        low, high = max(low, self.oldest), min(high, self.newest)
        if low > high or self.shape.looks:
            return low <= high
        values = {**self.values, "low": low, "high": high, "limit": 1}
        return connection.execute(questions.numbers(self.shape), values).first() is not None


def _older(connection: Connection, search: _Search, before: int | None, limit: int) -> BuildPage:
    high = search.newest if before is None else min(search.newest, before - 1)
    low = max(search.oldest, high - search.reach + 1)
    rows = search.rows(connection, low, high, limit + 1)
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
    after = min(after, search.newest)  # or the next one may be more than the store can hold
    high = min(search.newest, after + search.reach)
    rows = search.rows(connection, after + 1, high, limit + 1, upwards=True)
    found = tuple(map(to_build, rows[-limit:]))
    full, more = len(rows) > limit, high < search.newest
    bottom = found[-1].number if found else after + 1
    return BuildPage(
        found,
        next=bottom if search.any(connection, search.oldest, bottom - 1) else None,
        newer=found[0].number if full else high if more else None,
        looked_to=high if more and not full else None,
    )


def _search(
    connection: Connection,
    wanted: BuildFilter,
    max_look: int,
    statuses: tuple[Status, ...] = tuple(Status),
) -> _Search:
    index, asked = _index_for(wanted), _asked(wanted)
    values: dict[str, Any] = {name: getattr(wanted, name) for name in asked}
    text: dict[str, str] = {}
    several_names = False
    if wanted.repository is not None:
        names = _names(connection, wanted.repository)
        several_names = len(names) > 1
        values["repository"] = names if several_names else names[0]
    if wanted.text:
        text = questions.of_text(wanted.text)
        values |= text
    if wanted.status is not None:
        statuses = (wanted.status,)
    shape = Shape(
        index=index,
        rest=asked - index,
        statuses=statuses if index or len(statuses) < len(Status) else None,
        several_names=several_names,
        text=tuple(text),
    )
    oldest = connection.execute(_OLDEST).scalar() or 1
    newest = newest_number(connection)
    return _Search(shape, values, oldest, newest, reach=max_look if shape.looks else newest)


def _asked(wanted: BuildFilter) -> frozenset[str]:
    names = ("repository", "branch", "agent")
    return frozenset(name for name in names if getattr(wanted, name) is not None)


def _index_for(wanted: BuildFilter) -> frozenset[str]:
    asked = _asked(wanted)
    return next(index for index in _INDEXES if index <= asked)


def _names(connection: Connection, repository: str) -> Sequence[str]:
    """Name the repositories that are called so, or that have, or had, this URL."""
    return connection.execute(_NAMES, {"named": repository}).scalars().all() or [repository]
