"""Gate: shut while the storage fails for all, so that it is not asked by everybody all the time.

What one build is answered says nothing about the others: that may be for its log, or for its row
there. So a failure is the storage's own where it could not be asked, where it says when it wants to
be asked again, where it does not let us in to its list, or where whatever is asked fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import structlog
import trio

from ci.backoff import delays
from ci.outage import Outage
from ci.server.external.client import StorageFailed

FIRST_S: Final = 1.0
CAP_S: Final = 30.0  # whoever mends it should not have to wait longer
REMIND_S: Final = 600.0  # between two log lines about one outage
# So many calls that fail in a row are no longer bad luck with single builds, even where three of
# ten calls fail for no reason.
IN_A_ROW: Final = 8
THE_LIST: Final = 0  # what a call is about that is about no build; our numbers begin at 1

log = structlog.get_logger()


class Gate:
    """Told of each call that worked or failed; who wants to call waits for it to be open."""

    def __init__(
        self, waits: Callable[[], Iterator[float]] = lambda: delays(FIRST_S, CAP_S)
    ) -> None:
        self._new_waits = waits
        self._waits = waits()
        self._outage = Outage(REMIND_S)
        self._told: set[tuple[bool, int | None]] = set()  # kinds of failures, of this outage
        self._in_a_row = 0
        self._failing: set[int] = set()  # what the calls in a row were about
        self.shut_until = 0.0  # in trio's seconds
        self.problem = ""  # while the storage fails for all

    @property
    def failing_s(self) -> float:
        """For how many seconds the storage has failed for all; 0 if it does not."""
        return self._outage.lasts_s

    async def wait_open(self) -> None:
        """Block until the storage may be asked."""
        await trio.sleep_until(self.shut_until)

    def worked(self) -> None:
        """Note that a call did what it should."""
        self._in_a_row = 0
        self._failing.clear()
        self._told.clear()
        self.problem = ""
        self._waits = self._new_waits()
        if (lasted_s := self._outage.over()) is not None:
            log.info("storage API answers again", after_s=lasted_s)

    def failed(self, error: StorageFailed, about: int = THE_LIST) -> bool:
        """Note that a call about a build failed; return whether no other would do better now."""
        self._in_a_row += 1
        self._failing.add(about)
        whatever = self._in_a_row >= IN_A_ROW and len(self._failing) > 1
        if not (error.for_all or whatever or (error.refused and about == THE_LIST)):
            return False
        now = trio.current_time()
        if now < self.shut_until:  # what was under way when it was shut
            return True
        self.shut_until = now + max(next(self._waits), error.retry_after_s or 0.0)
        self.problem = str(error)
        self._tell(error)
        return True

    def _tell(self, error: StorageFailed) -> None:
        """Say it once, again when it fails in another way, and now and then while it lasts."""
        lasted_s = self._outage.failed()
        kind = error.sent, error.status
        if lasted_s == 0:
            log.warning("storage API fails", error=str(error), next="it is asked again, for ever")
        elif lasted_s is not None or kind not in self._told:
            for_s = self._outage.lasts_s
            log.warning("storage API still fails", for_s=for_s, error=str(error))
        self._told.add(kind)
