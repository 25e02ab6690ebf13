"""The statements by which lists ask for builds: one for each shape of a filter, made once.

To make one takes SQLAlchemy ten times as long as SQLite takes to answer it. Values are parameters:
`low`, `high` and `limit`, and whatever the filter has; a text has several, see `of_text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    CompoundSelect,
    Select,
    String,
    and_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
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
    text: tuple[str, ...] = ()  # the parameters by which it is asked for

    @property
    def looks(self) -> bool:
        """Whether builds are looked at that need not fit."""
        return bool(self.rest or self.text)


@lru_cache(MAX_KEPT)
def numbers(shape: Shape, *, upwards: bool = False) -> Select[Any]:
    """Ask for the first `limit` numbers that fit, from `high` down or from `low` up."""
    number = builds.c.number
    found = [
        select(number)
        .where(way, *_rest(shape))
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


@lru_cache(MAX_KEPT)
def counts(shape: Shape) -> Select[Any] | CompoundSelect[Any]:
    """Ask how many there are of each status, and stop to count each at `limit`, if it has an index.

    Those of which there are none may be missing.
    """
    if shape.statuses is None:
        by_status = select(builds.c.status, func.count()).where(*_rest(shape))
        return by_status.group_by(builds.c.status)
    found = [
        select(builds.c.number).where(way, *_rest(shape)).limit(bindparam("limit")).subquery()
        for way in _ways(shape)
    ]
    return union_all(
        *(
            select(literal(status), select(func.count()).select_from(each).scalar_subquery())
            for status, each in zip(shape.statuses, found, strict=True)
        )
    )


def of_text(text: str) -> dict[str, str]:
    """Return the parameters that ask for what has a text, in either case of each letter.

    SQLite's LIKE takes care of the letters of ASCII. For others there is GLOB, with both cases of
    each letter: three times as slow. So only where one letter was found is the text looked for.
    """
    if text.isascii():
        for special in "/%_":
            text = text.replace(special, f"/{special}")
        return {"pattern": f"%{text}%"}
    first = next(letter for letter in text if not letter.isascii())
    letters = {f"letter{nth}": f"%{case}%" for nth, case in enumerate(_cases(first))}
    return {"glob": f"*{''.join(map(_any_case, text))}*", **letters}


def _cases(letter: str) -> list[str]:
    """Return a letter in all its cases that are one character."""
    pair = {letter, letter.lower(), letter.upper()}
    cases = {case for each in pair for case in (each, each.lower(), each.upper(), each.title())}
    return sorted(case for case in cases if len(case) == 1)


def _any_case(letter: str) -> str:
    cases = "".join(_cases(letter))
    return f"[{cases}]" if len(cases) > 1 or cases in "*?[" else cases


def _rest(shape: Shape) -> list[_Condition]:
    """What else a build must be, whose number is within bounds."""
    rest = [_is(shape, name) for name in sorted(shape.rest)]
    if shape.text:
        rest.append(_has_text(shape))
    return [*rest, builds.c.number.between(bindparam("low"), bindparam("high"))]


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


def _has_text(shape: Shape) -> _Condition:
    words: list[ColumnElement[Any]] = [
        builds.c[name]
        for name in ("commit", "subject", "author", "branch", "command", "agent", "labels")
    ]
    wanted = [bindparam(name, type_=String) for name in shape.text]
    if len(wanted) == 1:
        words += [cast(builds.c.number, String), builds.c.commit_hash]
        return or_(*(column.like(wanted[0], escape="/") for column in words))
    glob, *letters = wanted
    return or_(
        *(
            and_(or_(*map(column.like, letters)), column.op("GLOB", is_comparison=True)(glob))
            for column in words
        )
    )
