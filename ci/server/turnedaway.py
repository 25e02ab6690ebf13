"""TurnedAway: who came under the name of a revoked agent, in the log and in the audit log.

A machine that was lost asks again for ever, and who has it may ask as often as he can: so each name
is told once in a while, and there are no more names than agents that were revoked.
"""

from __future__ import annotations

from typing import Final

import structlog

from ci.errors import Busy, StoreFailed
from ci.outage import Outage
from ci.people import Asker
from ci.server.store.book import Book

REMIND_S: Final = 3600.0  # of one name

log = structlog.get_logger()


class TurnedAway:
    """Tells of them."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._outages: dict[str, Outage] = {}  # by name

    async def note(self, agent: str, address: str) -> None:
        """Note that somebody came from there under that name."""
        if self._outages.setdefault(agent, Outage(REMIND_S)).failed() is None:
            return
        log.warning("revoked agent refused", agent=agent, address=address)
        try:
            await self._book.note(Asker("", address), "was refused", f"agent {agent}", "revoked")
        except (Busy, StoreFailed) as error:  # he is refused all the same
            log.warning("refusal not kept", agent=agent, error=error.message)
