"""A journal of every change in a store's file, written by the database itself.

Triggers write it in the transaction of the change: no change can be missed between two looks, not
even one that is taken back in the same moment, and what was rolled back is not in it.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ci.server.store.database import FILE_NAME

# What each change is called → the change, whose build it is, and the values that are kept of it.
_WATCHED: Final = {
    "accepted": ("INSERT ON builds", "new.number", "new.status, new.priority, new.labels"),
    "build": ("UPDATE ON builds", "new.number", "old.status, new.status, new.reason"),
    "build gone": ("DELETE ON builds", "old.number", "old.status"),
    "job": ("UPDATE OF status ON jobs", "new.build", "old.status, new.status"),
    "moved": ("UPDATE OF priority ON jobs", "new.build", "new.priority"),
    "leased": ("INSERT ON attempts", "new.build", "new.id, new.status, new.agent"),
    "put back": ("DELETE ON attempts", "old.build", "old.id, old.status"),
    "attempt": (
        "UPDATE ON attempts",
        "new.build",
        "new.id, old.status, new.status, new.reason, new.exit_code, new.log_open, new.log_size",
    ),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `event` is a key of _WATCHED, `values` are what stands there."""

    event: str
    build: int
    values: tuple[Any, ...]


def prepare(folder: Path) -> None:
    """Make the store in `folder` keep a journal from now on; its file must exist."""
    script = ["CREATE TABLE journal (at INTEGER PRIMARY KEY, event, build, kept);"]
    for event, (change, build, kept) in _WATCHED.items():
        script.append(
            f'CREATE TRIGGER "journal: {event}" AFTER {change} BEGIN '
            "INSERT INTO journal (event, build, kept) "
            f"VALUES ('{event}', {build}, json_array({kept})); END;"
        )
    connection = sqlite3.connect(folder / FILE_NAME)
    try:
        connection.executescript("\n".join(script))
    finally:
        connection.close()


class Journal:
    """Reads the journal of one store, each entry once, also over a move to another folder."""

    def __init__(self) -> None:
        self._read = 0

    def news(self, folder: Path) -> list[Entry]:
        """Return what was committed since the last look, oldest first."""
        connection = sqlite3.connect(folder / FILE_NAME)
        try:
            rows = connection.execute(
                "SELECT at, event, build, kept FROM journal WHERE at > ? ORDER BY at",
                (self._read,),
            ).fetchall()
        finally:
            connection.close()
        if rows:
            self._read = rows[-1][0]
        return [Entry(event, build, tuple(json.loads(kept))) for _, event, build, kept in rows]
