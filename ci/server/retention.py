"""Retention: removes what the configured rules no longer keep, builds first and then their logs.

In this order no page ever shows a build whose log is gone. What a crash leaves between the two,
logs without a build, is found and removed by the next round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
import trio

from ci.config import ServerConfig
from ci.errors import StoreFailed
from ci.model import Status
from ci.server.logs import Logs
from ci.server.store.removal import EndedBuild
from ci.server.store.store import Store

ROUND_S = 3600.0  # rules speak of days; an hour more or less is nobody's concern
BATCH = 100  # builds in one transaction: some milliseconds, which nobody who writes beside notices
GIGABYTE = 10**9

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept of each repository, None = all. A build goes as soon as one rule says so."""

    builds: int | None = None
    days: float | None = None
    log_bytes: float | None = None

    @classmethod
    def of(cls, config: ServerConfig) -> Rules:
        """Read them from the settings."""
        size = config.keep_gigabytes
        return cls(config.keep_builds, config.keep_days, size and size * GIGABYTE)

    @property
    def keep_all(self) -> bool:
        """Whether there is no rule."""
        return self == Rules()


def no_longer_kept(
    rules: Rules, builds: Iterable[EndedBuild], sizes: Mapping[int, int], now: datetime
) -> Iterator[int]:
    """Choose among the ended builds of one repository, newest first; yield the numbers that go.

    The last green one never goes: it says what worked, and when. `sizes` are the bytes of logs.
    """
    oldest = now - timedelta(days=rules.days) if rules.days is not None else None
    green = False
    size = 0
    for place, build in enumerate(builds, 1):
        last_green = build.status is Status.SUCCESS and not green
        green = green or last_green
        goes = (
            (rules.builds is not None and place > rules.builds)
            or (oldest is not None and build.finished_at < oldest)
            # The newest log may be longer than all that is allowed: somebody wants to read it.
            or (rules.log_bytes is not None and size >= rules.log_bytes)
        )
        if goes and not last_green:
            yield build.number
        else:
            size += sizes.get(build.number, 0)


class Retention:
    """Keeps the store and the logs to the rules."""

    def __init__(self, store: Store, logs: Logs, rules: Rules, now: Callable[[], datetime]) -> None:
        self._store = store
        self._logs = logs
        self._rules = rules
        self._now = now

    async def serve_rules(self) -> None:
        """Remove what the rules no longer keep, now and each hour, for ever. No rule, no work."""
        while not self._rules.keep_all:
            try:
                await self.run_round()
            except (StoreFailed, OSError) as error:
                log.error("builds not removed", error=str(error), again_in_s=ROUND_S)
            await trio.sleep(ROUND_S)

    async def run_round(self) -> None:
        """Remove all that is to go now. Raises StoreFailed, OSError."""
        sizes = await self._sizes() if self._rules.log_bytes is not None else {}
        now = self._now()
        numbers = await self._store.choose(
            lambda builds: no_longer_kept(self._rules, builds, sizes, now)
        )
        for begin in range(0, len(numbers), BATCH):
            await self._store.remove(numbers[begin : begin + BATCH])
        logs, freed = await self._remove_logs()
        if numbers or logs:
            log.info("builds removed by the rules", builds=len(numbers), logs=logs, bytes=freed)

    async def _sizes(self) -> Mapping[int, int]:
        """Bytes of log of each build, from the disk: the store knows no canceled one's."""
        sizes: Counter[int] = Counter()
        for folder in await self._logs.folders():
            for file in await self._logs.files(folder):
                sizes[file.build] += file.size
        return sizes

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
