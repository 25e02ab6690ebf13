"""The audit log on disk: a row comes in the transaction of what it tells of, and never changes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select

from ci.people import Asker, AuditEntry
from ci.server.store.tables import audit_log

MAX_DETAIL_CHARS: Final = 1000

_ENTRY: Final = insert(audit_log)  # made once: to make a statement costs more than to execute it


def note(
    connection: Connection,
    by: Asker,
    action: str,
    subject: str,
    now: datetime,
    *,
    detail: str = "",
) -> None:
    """Note that somebody did something, such as `canceled` to `build 7`."""
    connection.execute(
        _ENTRY,
        {
            "at": now,
            "who": by.name,
            "address": by.address,
            "action": action,
            "subject": subject,
            "detail": detail[:MAX_DETAIL_CHARS],
        },
    )


def entries(connection: Connection, before: int | None, limit: int) -> tuple[AuditEntry, ...]:
    """Return entries, newest first, that are older than the one of id `before`."""
    query = select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit_log.c.id < before)
    return tuple(AuditEntry(**row._mapping) for row in connection.execute(query))  # noqa: SLF001
