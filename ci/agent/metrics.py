"""What an agent counts, for `GET /metrics`. Each metric is in docs/metrics.md."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from ci.exposition import make_registry, write_text
from ci.model import ENDS

PREFIX: Final = "nursery_agent"

REGISTRATION: Final = "registration"
_SAID: Final = (REGISTRATION, "log", "result")  # what is said to the server, again and again

# Upper ends in seconds: from a workspace out of a warm mirror to the first fetch of a large one.
_CHECKOUT_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)


class Metrics:
    """All metrics of one agent."""

    def __init__(self) -> None:
        self._registry = registry = make_registry(PREFIX)
        self.ended = Counter(
            f"{PREFIX}_attempts_ended",
            "Attempts that ended, by status and reason.",
            ["status", "reason"],
            registry=registry,
        )
        self.checkout_s = Histogram(
            f"{PREFIX}_checkout_seconds",
            "Checkouts that worked, in seconds.",
            buckets=_CHECKOUT_S,
            registry=registry,
        )
        self._retries = Counter(
            f"{PREFIX}_delivery_retries",
            "Calls of the server that had to be repeated, by what was to be said.",
            ["what"],
            registry=registry,
        )
        self.log_bytes = Counter(
            f"{PREFIX}_log_bytes", "Bytes of logs that the server has taken.", registry=registry
        )
        self._attempts = Gauge(
            f"{PREFIX}_attempts",
            "Attempts that it has now, by state.",
            ["state"],
            registry=registry,
        )
        self._slots = Gauge(f"{PREFIX}_slots", "Builds at once.", registry=registry)
        self._busy = Gauge(f"{PREFIX}_slots_busy", "Slots that are taken.", registry=registry)
        self._disk_free = Gauge(
            f"{PREFIX}_disk_free_bytes", "Free on the disk of the data folder.", registry=registry
        )
        self._disk_short = Gauge(
            f"{PREFIX}_disk_short",
            "1 while less than minFreeBytes are free, so that no build is taken.",
            registry=registry,
        )
        self.disk_refusals = Counter(
            f"{PREFIX}_disk_refusals", "Builds not taken for want of disk.", registry=registry
        )
        self._silence_s = Gauge(
            f"{PREFIX}_server_silence_seconds",
            "Since the server last asked something; +Inf if it never did.",
            registry=registry,
        )
        # What is known by name begins at 0: a series that begins with an event hides it.
        for status, reason in ENDS:
            self.ended.labels(status, reason)
        for what in _SAID:
            self._retries.labels(what)
        self.retries = 0  # of logs and results, since the start

    def repeated(self, what: str) -> None:
        """Count a call that the server did not answer, or refused."""
        self._retries.labels(what).inc()
        if what != REGISTRATION:
            self.retries += 1

    def text(
        self,
        *,
        states: Iterable[str],
        slots: int,
        busy: int,
        disk_free: int,
        disk_short: bool,
        silence_s: float,
    ) -> bytes:
        """Write everything down as Prometheus reads it; `states` has one word an attempt."""
        self._attempts.clear()
        for state, count in Tally(states).items():
            self._attempts.labels(state).set(count)
        self._slots.set(slots)
        self._busy.set(busy)
        self._disk_free.set(disk_free)
        self._disk_short.set(disk_short)
        self._silence_s.set(silence_s)
        return write_text(self._registry)
