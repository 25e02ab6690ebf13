"""Gate: shut while the storage fails for all, so that it is not asked by everybody all the time."""

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

log = structlog.get_logger()


class Gate:
    """Told of each call that worked or failed; who wants to call waits for it to be open."""

    def __init__(
        self, waits: Callable[[], Iterator[float]] = lambda: delays(FIRST_S, CAP_S)
    ) -> None:
        self._new_waits = waits
        self._waits = waits()
        self._outage = Outage(REMIND_S)
        self._in_a_row = 0
        self._since: float | None = None
        self.shut_until = 0.0  # in trio's seconds
        self.problem = ""  # while the storage fails for all

    @property
    def failing_s(self) -> float:
        """For how many seconds the storage has failed for all; 0 if it does not."""
        return 0.0 if self._since is None else trio.current_time() - self._since

    async def wait_open(self) -> None:
        """Block until the storage may be asked."""
        await trio.sleep_until(self.shut_until)

    def worked(self) -> None:
        """Note that a call did what it should."""
        self._in_a_row = 0
        self.problem = ""
        self._since = None
        self._waits = self._new_waits()
        if (lasted_s := self._outage.over()) is not None:
            log.info("storage API answers again", after_s=lasted_s)

    def failed(self, error: StorageFailed) -> bool:
        """Note that a call failed; return whether that is the storage's fault, not the call's."""
        self._in_a_row += 1
        if not error.for_all and self._in_a_row < IN_A_ROW:
            return False
        now = trio.current_time()
        if now < self.shut_until:  # what was under way when it was shut
            return True
        wait_s = next(self._waits)
        if error.retry_after_s is not None:
            wait_s = max(wait_s, error.retry_after_s)
        self.shut_until = now + wait_s
        self.problem = str(error)
        self._since = now if self._since is None else self._since
        lasted_s = self._outage.failed()
        if lasted_s == 0:
            log.warning("storage API fails", error=str(error), next="it is asked again, for ever")
        elif lasted_s is not None:
            log.warning("storage API still fails", for_s=lasted_s, error=str(error))
        return True
