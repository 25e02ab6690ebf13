"""The rules of retention: which ended builds are no longer kept. No I/O, and no clock."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from ci.config import ServerConfig
from ci.model import Status
from ci.server.store.removal import EndedBuild

GIGABYTE = 10**9


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


@dataclass(slots=True)
class _Seen:
    """What the sieve has seen of one repository."""

    builds: int = 0
    green: bool = False
    kept_bytes: int = 0


class Sieve:
    """Chooses what goes, of ended builds that it is shown one by one, the newest first.

    It keeps but a few words for each repository, so a history may come in as many pieces as one
    likes, and with pauses between them. What ends meanwhile is for the next sieve.
    """

    def __init__(self, rules: Rules, now: datetime) -> None:
        self._rules = rules
        self._oldest = now - timedelta(days=rules.days) if rules.days is not None else None
        self._seen: defaultdict[str, _Seen] = defaultdict(_Seen)

    def goes(self, build: EndedBuild, log_bytes: int) -> bool:
        """Whether the next build goes; `log_bytes` is the size of all its logs.

        The last green one of a repository never goes: it says what worked, and when.
        """
        seen = self._seen[build.repository]
        seen.builds += 1
        last_green = build.status is Status.SUCCESS and not seen.green
        seen.green = seen.green or last_green
        rules = self._rules
        goes = not last_green and (
            (rules.builds is not None and seen.builds > rules.builds)
            or (self._oldest is not None and build.finished_at < self._oldest)
            # The newest log may be longer than all that is allowed: somebody wants to read it.
            or (rules.log_bytes is not None and seen.kept_bytes >= rules.log_bytes)
        )
        if not goes:
            seen.kept_bytes += log_bytes
        return goes
