"""Damage: the database breaks under a running server, and whoever finds that ends the server.

A page of it that can't be read may hold any build, and what is written goes into a file from which
it can't be read again. So nothing more is answered than that, and people are told once, in a line.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import structlog
import trio
from sqlalchemy.exc import DatabaseError

from ci.errors import StoreDamaged, StoreFailed

_MALFORMED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_KIND: Final = 0xFF  # of SQLite's error code; the rest tells more of it

log = structlog.get_logger()


class Damage:
    """What is known of the database's damage; for one store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cause = ""
        self._found = trio.Event()

    def found_by(self, error: BaseException) -> StoreFailed | None:
        """Take note if `error` says that the file is no sound database; return the answer then."""
        if not is_damage(error):
            return None
        if not self._found.is_set():
            self._cause = str(getattr(error, "orig", error))
            log.error(
                "store damaged", path=str(self._path), error=self._cause, next="the server ends"
            )
            self._found.set()
        return StoreFailed(f"the store is damaged: {self._cause}; the server ends")

    def check(self) -> None:
        """Return if nothing was found. Raises StoreDamaged."""
        if self._found.is_set():
            raise StoreDamaged(
                f"{self._path}: is damaged ({self._cause}); look what is wrong with "
                "`python -m ci.server check`, restore a back-up, then start the server again"
            )

    async def serve_checks(self) -> None:
        """Raise StoreDamaged as soon as anything is found."""
        await self._found.wait()
        self.check()


def is_damage(error: BaseException) -> bool:
    """Whether an error of the database says that its file is no sound one."""
    if not isinstance(error, DatabaseError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    return isinstance(code, int) and code & _KIND in _MALFORMED
