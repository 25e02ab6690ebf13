"""Which values in a store can't be read: SQLite keeps in any column whatever it is given.

A file that was damaged, or changed by hand, may hold a word where a time must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    String,
    and_,
    func,
    select,
    true,
    type_coerce,
)

from ci.server.store.tables import UtcTime, metadata

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def unreadable_values(connection: Connection) -> Iterator[tuple[str, int]]:
    """Yield each column that holds values which are not of its kind, and how many."""
    for table in metadata.sorted_tables:
        wrong = [func.sum(type_coerce(~_is_sound(column), Integer)) for column in table.columns]
        for column, count in zip(
            table.columns, connection.execute(select(*wrong)).one(), strict=True
        ):
            if count:
                yield str(column), count


def _is_sound(column: Column[Any]) -> ColumnElement[bool]:
    # Text is a String, too. A whole number is fine as a Float; all others are kept as integers.
    kinds = ["text"] if isinstance(column.type, String) else ["integer"]
    if isinstance(column.type, Float):
        kinds.append("real")
    if column.nullable:
        kinds.append("null")
    sound = func.typeof(type_coerce(column, Integer)).in_(kinds)
    if not isinstance(column.type, UtcTime):
        return sound
    return and_(sound, func.coalesce(column.between(_FIRST, _LAST), true()))
