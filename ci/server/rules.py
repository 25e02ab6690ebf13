"""The rules of retention: which ended builds are no longer kept. No I/O, and no clock."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from ci.config import ServerConfig
from ci.model import Status
from ci.server.store.removal import EndedBuild

GIGABYTE = 10**9
# A clock that is wrong is seen and set right within so many days, or else it is believed.
DOUBT_DAYS = 1.0


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


class Calendar:
    """Says which builds are too old by the time of day, and doubts a clock that may be ahead.

    A clock that is years ahead makes every build too old. In the ends of builds that looks as if
    nothing had ended for longer than builds are kept. What lies before so long a quiet time is not
    too old until builds have ended for a while after it. It takes nothing but the ends, of all
    repositories, newest first: a restart in between changes nothing.
    """

    def __init__(self, days: float, now: datetime) -> None:
        self._kept = timedelta(days=days)
        # Not longer than half of what is kept, or who builds seldom would never be believed.
        self._doubt = min(timedelta(days=DOUBT_DAYS), self._kept / 2)
        self._now = now
        self._earliest = now  # of the ends after the last quiet time
        self.quiet_since: datetime | None = None  # what ended until then is left alone

    def is_too_old(self, finished_at: datetime) -> bool:
        """Whether the next build ended too long ago."""
        if self.quiet_since is not None:
            return False
        if finished_at < self._earliest - self._kept and self._earliest > self._now - self._doubt:
            self.quiet_since = finished_at
            return False
        self._earliest = min(self._earliest, finished_at)
        return finished_at < self._now - self._kept


class Sieve:
    """Chooses what goes, of ended builds that it is shown one by one, the newest first.

    It keeps but a few words for each repository, so a history may come in as many pieces as one
    likes, and with pauses between them. What ends meanwhile is for the next sieve.
    """

    def __init__(self, rules: Rules, now: datetime) -> None:
        self.now = now
        self._rules = rules
        self._calendar = Calendar(rules.days, now) if rules.days is not None else None
        self._seen: defaultdict[str, _Seen] = defaultdict(_Seen)
        self.spared = 0  # builds that are kept only because the clock may be ahead

    def goes(self, build: EndedBuild, log_bytes: int) -> bool:
        """Whether the next build goes; `log_bytes` is the size of all its logs.

        The last green one of a repository never goes: it says what worked, and when.
        """
        seen = self._seen[build.repository]
        seen.builds += 1
        last_green = build.status is Status.SUCCESS and not seen.green
        seen.green = seen.green or last_green
        rules = self._rules
        too_old = self._calendar is not None and self._calendar.is_too_old(build.finished_at)
        goes = not last_green and (
            too_old
            or (rules.builds is not None and seen.builds > rules.builds)
            # The newest log may be longer than all that is allowed: somebody wants to read it.
            or (rules.log_bytes is not None and seen.kept_bytes >= rules.log_bytes)
        )
        if not goes:
            seen.kept_bytes += log_bytes
            self.spared += not last_green and self.quiet_since is not None
        return goes

    @property
    def quiet_since(self) -> datetime | None:
        """When the quiet time began that makes us doubt the clock, None when we do not."""
        return None if self._calendar is None else self._calendar.quiet_since
