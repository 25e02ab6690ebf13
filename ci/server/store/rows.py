"""Rows to frozen data, and the one conditional UPDATE by which every status changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Table, Update, bindparam, update

from ci.model import Agent, Attempt, Build, Labels, Reason, Standing, Status, before


def change(
    connection: Connection, table: Table, key: Mapping[str, object], to: Status, **values: object
) -> bool:
    """Give the rows whose columns are as in `key` the status `to`, if that is legal from theirs.

    Returns whether it was; the caller then owns the change, and nobody else does.
    """
    wanted = {f"key_{name}": value for name, value in key.items()}
    done = connection.execute(_change(table, tuple(key), to), {**wanted, "status": to, **values})
    return bool(done.rowcount)


@cache  # to make a statement costs more than to execute it
def _change(table: Table, key: tuple[str, ...], to: Status) -> Update:
    keys = [table.c[name] == bindparam(f"key_{name}") for name in key]
    return update(table).where(*keys, table.c.status.in_(sorted(before(to))))


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
    if values["commit_hash"] is None:
        values["branch"] = None  # no agent has found it: it is what was asked for
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
