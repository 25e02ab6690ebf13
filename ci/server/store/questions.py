"""The statements by which lists ask for builds: one for each shape of a filter, made once.

To make one takes SQLAlchemy ten times as long as SQLite takes to answer it. Values are parameters:
`low`, `high` and `limit`, and whatever the filter has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, String, and_, bindparam, cast, or_, select, true, union_all
from sqlalchemy.sql.elements import ColumnElement

from ci.model import Status
from ci.server.store.tables import builds

MAX_KEPT: Final = 256  # of each kind; filters and directions make some dozens that are in use

_Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked, without the values.

    An index has the numbers in order only where it is asked for one status as well: so for each
    of `statuses` it is asked, and the answers are merged. None means whatever status.
    """

    index: frozenset[str]  # columns that the index begins with
    rest: frozenset[str]  # columns by which each build is looked at that was found so
    statuses: tuple[Status, ...] | None
    several_names: bool = False  # of the repository
    text: bool = False

    @property
    def looks(self) -> bool:
        """Whether builds are looked at that need not fit."""
        return bool(self.rest) or self.text


@lru_cache(MAX_KEPT)
def numbers(shape: Shape, *, upwards: bool = False) -> Select[Any]:
    """Ask for the first `limit` numbers that fit, from `high` down or from `low` up."""
    number = builds.c.number
    rest = [_is(shape, name) for name in sorted(shape.rest)]
    if shape.text:
        rest.append(_has_text())
    found = [
        select(number)
        .where(way, *rest, number.between(bindparam("low"), bindparam("high")))
        .order_by(number.asc() if upwards else number.desc())
        .limit(bindparam("limit"))
        for way in _ways(shape)
    ]
    if len(found) == 1:
        return found[0]
    # Each way is in order, so that of each no more is read than may be shown.
    ways = [select(one.subquery().c.number) for one in found]
    joined = union_all(*ways).subquery().c.number
    order = joined.asc() if upwards else joined.desc()
    return select(joined).order_by(order).limit(bindparam("limit"))


@lru_cache(MAX_KEPT)
def rows(shape: Shape, *, upwards: bool = False) -> Select[Any]:
    """Ask for the builds of these numbers, the newest first."""
    found = numbers(shape, upwards=upwards).subquery()
    shown = select(builds).where(builds.c.number.in_(select(found.c.number)))
    return shown.order_by(builds.c.number.desc())


def pattern(text: str) -> str:
    """Return the `pattern` of what has this text."""
    for special in "/%_":
        text = text.replace(special, f"/{special}")
    return f"%{text}%"


def _ways(shape: Shape) -> list[_Condition]:
    way = [_is(shape, name) for name in sorted(shape.index)]
    if shape.statuses is None:
        return [and_(true(), *way)]
    return [and_(*way, builds.c.status == status) for status in shape.statuses]


def _is(shape: Shape, column: str) -> _Condition:
    if column == "repository" and shape.several_names:
        # Numbers of several names are in no order, which is slow, and seldom: they share an URL.
        return builds.c.repository.in_(bindparam(column, expanding=True))
    found: _Condition = builds.c[column] == bindparam(column)
    return found


def _has_text() -> _Condition:
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
    wanted = bindparam("pattern", type_=String)
    return or_(*(column.like(wanted, escape="/") for column in searched))
