"""Retention: removes what the configured rules no longer keep, builds first and then their logs.

In this order no page ever shows a build whose log is gone. What a crash leaves between the two,
logs without a build, is found and removed by the next round.

A history of a million builds takes seconds to read. So it is read in pages of some milliseconds
each, between which others have their turn and the server may stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
import trio

from ci.errors import StoreFailed
from ci.outage import Outage
from ci.server.logs import BUILDS_PER_FOLDER, Logs
from ci.server.room import Room
from ci.server.rules import Rules, Sieve
from ci.server.store.store import Store

ROUND_S = 3600.0  # rules speak of days; an hour more or less is nobody's concern
# When the disk gets short a round comes at once, but not more often: a disk that is short again and
# again is full of something that no rule removes.
PAUSE_S = 60.0
BATCH = 100  # builds in one transaction: some milliseconds, which nobody who writes beside notices
REMIND_S = 86400.0  # between two lines about a clock that may be ahead

log = structlog.get_logger()


class Retention:
    """Keeps the store and the logs to the rules; it reads so many numbers at once as `page`."""

    def __init__(
        self,
        store: Store,
        logs: Logs,
        rules: Rules,
        now: Callable[[], datetime],
        page: int = BUILDS_PER_FOLDER,  # then each folder of logs is read once
    ) -> None:
        self._store = store
        self._logs = logs
        self._rules = rules
        self._now = now
        self._page = page
        self._doubt = Outage(REMIND_S)
        self._failing = Outage(ROUND_S)

    async def serve_rules(self, room: Room) -> None:
        """Remove what the rules no longer keep, now and each hour, for ever. No rule, no work.

        Also when there is no longer `room`: once for each time that the disk gets short, and again
        while it is if that fails. The store may be the first that finds the disk full.
        """
        while not self._rules.keep_all:
            shortage = room.shortage  # taken before the round, which might miss what ends meanwhile
            wait_s = ROUND_S
            try:
                await self.run_round()
            except (StoreFailed, OSError) as error:
                wait_s = PAUSE_S if room.look() else ROUND_S
                if self._failing.failed() is not None:
                    log.error("builds not removed", error=str(error), again_in_s=wait_s)
            else:
                self._failing.over()
            with trio.move_on_after(wait_s):
                await trio.sleep(PAUSE_S)
                await shortage.wait()

    async def run_round(self) -> None:
        """Remove all that is to go now. Raises StoreFailed, OSError."""
        try:
            builds = await self._remove_builds()
        except (StoreFailed, OSError):
            await self._remove_logs()  # what they free may be what the store needs
            raise
        logs, freed = await self._remove_logs()
        if builds or logs:
            log.info("builds removed by the rules", builds=builds, logs=logs, bytes=freed)

    async def _remove_builds(self) -> int:
        """Remove the builds that are to go, page by page; return how many."""
        sieve = Sieve(self._rules, self._now())
        count = 0
        page = await self._store.ended(self._page)
        while page is not None:
            sizes: Mapping[int, int] = {}
            if self._rules.log_bytes is not None:
                sizes = await self._logs.sizes([build.number for build in page.builds])
            gone = [
                build.number
                for build in page.builds
                if sieve.goes(build, sizes.get(build.number, 0))
            ]
            for begin in range(0, len(gone), BATCH):
                await self._store.remove(gone[begin : begin + BATCH])
            count += len(gone)
            page = await self._store.ended(self._page, below=page.first)
        self._tell_doubt(sieve)
        return count

    def _tell_doubt(self, sieve: Sieve) -> None:
        """Say that builds are kept which are too old if the clock is right."""
        if not sieve.spared:
            self._doubt.over()
        elif self._doubt.failed() is not None:
            log.warning(
                "builds not removed by age",
                builds=sieve.spared,
                quiet_since=sieve.quiet_since,
                now=sieve.now,
                next="they go when builds have ended for a day; set the clock if it is ahead",
            )

    async def _remove_logs(self) -> tuple[int, int]:
        """Remove the logs of builds that are gone; return how many, and their bytes."""
        count = freed = 0
        for folder in await self._logs.folders():
            # The files first, then the store: a build that is accepted in between has none here.
            files = await self._logs.files(folder)
            removed = await self._store.removed({file.build for file in files})
            for file in files:
                if file.build in removed:
                    await self._logs.remove(file.id)
                    count += 1
                    freed += file.size
        return count, freed
