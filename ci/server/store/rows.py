"""Rows to frozen data, and the one conditional UPDATE by which every status changes."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, Table, update
from sqlalchemy.sql.elements import ColumnElement

from ci.model import Agent, Attempt, Build, Labels, Reason, Standing, Status, before


def change(
    connection: Connection, table: Table, key: ColumnElement[bool], to: Status, **values: object
) -> bool:
    """Give the row at `key` the status `to`, if that is legal from the one it has.

    Returns whether it was; the caller then owns the change, and nobody else does.
    """
    legal = table.c.status.in_(sorted(before(to)))
    done = connection.execute(update(table).where(key, legal).values(status=to, **values))
    return bool(done.rowcount)


def write_labels(labels: Labels) -> str:
    """Write the labels of a build, or of its job, as they are stored."""
    return "\n".join(labels)  # none has an end of line: it could not be printed


def read_labels(text: str) -> Labels:
    """Read the labels of a build, or of its job."""
    return tuple(text.split("\n")) if text else ()


def to_build(row: Row[Any]) -> Build:
    """Make a Build of a whole row of `builds`."""
    values = dict(row._mapping)  # noqa: SLF001  public in spite of its name
    values["labels"] = read_labels(values["labels"])
    values["status"] = Status(values["status"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    return Build(**values)


def to_attempt(row: Row[Any]) -> Attempt:
    """Make an Attempt of a whole row of `attempts`."""
    values = dict(row._mapping)  # noqa: SLF001  as above
    values["status"] = Status(values["status"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    return Attempt(**values)


def to_agent(row: Row[Any]) -> Agent:
    """Make an Agent of a whole row of `agents`."""
    values = dict(row._mapping)  # noqa: SLF001  as above
    del values["forgotten"]  # whoever asks gets only those that are not
    del values["credential_print"]  # which is for who compares it
    values["standing"] = Standing(values["standing"])
    values["labels"] = tuple(json.loads(values["labels"]))
    return Agent(**values)
