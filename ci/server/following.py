"""Following: what there is of a log, and waiting until there is more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ci.errors import NotFound
from ci.server.logs import Logs
from ci.server.views import BuildView, LogView

LOOK_AT_LOG_S = 0.25  # between two looks for somebody who follows a log; a page asks each second
LOG_LOOKS = 40  # in vain, 10 s; who follows then asks for the build, which ends without a log, too


class Following:
    """Looks at the logs of builds for those who read them while they grow.

    `look` returns a build, and `version` a word that changes with it.
    """

    def __init__(
        self,
        logs: Logs,
        look: Callable[[int], Awaitable[BuildView]],
        version: Callable[[int], str],
        stopping: trio.Event,
    ) -> None:
        self._logs = logs
        self._look = look
        self._version = version
        self._stopping = stopping

    async def log(self, number: int, attempt: str | None = None) -> LogView:
        """Return what there is of a log; that of the latest attempt unless one is named.

        Raises NotFound.
        """
        view = await self._look(number)
        attempts = view.attempts
        if attempt is not None:
            attempts = tuple(each for each in attempts if each.id == attempt)
            if not attempts:
                raise NotFound(f"build {number} has no such attempt", field="attempt")
        if not attempts:
            return LogView(None, 0, growing=not view.build.status.ended)
        last = attempts[-1]
        # Asked before the size, so that a log which is not growing is complete.
        growing = last.log_open
        size = self._logs.size(last.id)
        # Known before the words themselves arrive, so that they never look like output.
        cut = last.log_cut if last.log_cut is not None and last.log_cut < size else None
        return LogView(last.id, size, growing=growing, cut=cut)

    async def wait(self, number: int, seen: LogView) -> LogView:
        """Wait until there is more of a build's latest log than `seen`, and return it.

        Returns `seen` when nothing has come for a while, or the server stops. Raises NotFound.
        """
        version = None
        for _ in range(LOG_LOOKS):
            if self._stopping.is_set():
                break
            # A look into the store only when something has changed there.
            if version != self._version(number) or self._has_grown(seen):
                version = self._version(number)
                log = await self.log(number)
                if log != seen:
                    return log
            await trio.sleep(LOOK_AT_LOG_S)
        return seen

    def _has_grown(self, seen: LogView) -> bool:
        return seen.attempt is not None and self._logs.size(seen.attempt) != seen.size
