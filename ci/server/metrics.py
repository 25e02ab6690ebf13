"""What the server counts. Each metric, and when it is worth an alarm, is in docs/metrics.md.

Counters and histograms live in memory, since the start; a person who needs history has
Prometheus. Each series whose labels are known begins at 0 with the start: a counter that is absent
until its first event hides that event. Gauges are set from a `Snapshot` when somebody reads: what
it takes costs the same however many builds there have been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from ci.exposition import make_registry, write_text
from ci.model import ENDS, AgentState, Reason, Status

PREFIX: Final = "nursery_ci"

# Upper ends in seconds: a fast disk commits in half a millisecond, a hopeless one in seconds.
_COMMIT_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_REQUEST_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
# From "a slot was free" to "it waited for the whole working day".
_DISPATCH_S: Final = (0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 28800)
_BUILD_S: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)


# By which the server itself ends an attempt.
_GIVEN_UP: Final = (Reason.AGENT_LOST, Reason.AGENT_RESTARTED, Reason.COMMAND_REFUSED)


class HandoverFailure(StrEnum):
    """Why an attempt could not be handed over."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class AgentSnapshot:
    """One agent at the moment of reading."""

    state: AgentState
    slots: int
    busy: int
    disk_free: int | None
    delivery_retries: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is asked of store and fleet at the moment of reading."""

    builds: Mapping[Status, int]  # those that wait and those that run
    oldest_waiting_s: float
    unfit: int  # of those that wait
    agents: Mapping[str, AgentSnapshot]
    disk_free: int
    disk_short: bool
    storage_untold: int
    storage_failing_s: float


class Metrics:
    """All metrics of one server."""

    def __init__(self) -> None:
        self._registry = make_registry(PREFIX)

        self.accepted = self._counter("builds_accepted", "Builds that were accepted.")
        self.refused = self._counter(
            "builds_refused", "Builds that were refused because too much was waiting."
        )
        self.ended = self._counter(
            "builds_ended", "Builds that ended, by status and reason.", "status", "reason"
        )
        self.dispatch_s = self._histogram(
            "dispatch_seconds", "From waiting to taken by an agent, in seconds.", _DISPATCH_S
        )
        self.build_s = self._histogram(
            "build_seconds", "Length of the last attempt of ended builds.", _BUILD_S, "status"
        )
        self.given_up = self._counter(
            "attempts_given_up", "Attempts that the server ended itself, by reason.", "reason"
        )
        self.handover_failures = self._counter(
            "handover_failures", "Attempts that could not be handed over, by why.", "why"
        )
        self.late_results = self._counter(
            "late_results", "Results that were refused because the attempt was over."
        )
        self.log_bytes = self._counter("log_bytes", "Bytes of build logs that were taken.")
        self.agents_lost = self._counter("agents_lost", "How often an agent stopped answering.")

        self.commit_s = self._histogram(
            "store_commit_seconds", "One commit of the store, in seconds.", _COMMIT_S
        )
        self.batch = self._histogram(
            "store_commit_changes", "How many changes shared one commit.", _BATCH
        )
        self.failed_commits = self._counter("store_failures", "Commits that the disk refused.")

        self.disk_refusals = self._counter(
            "disk_refusals", "Builds and pieces of logs refused for want of disk."
        )

        self.requests = self._counter(
            "http_requests", "Requests, by route and class of status.", "method", "route", "status"
        )
        self.request_s = self._histogram(
            "http_request_seconds", "Until an answer began, in seconds.", _REQUEST_S, "route"
        )

        self._builds = self._gauge("builds", "Builds that wait or run now.", "status")
        self._oldest_s = self._gauge(
            "queue_oldest_seconds", "Age of the oldest build that waits; 0 when none does."
        )
        self._unfit = self._gauge("builds_unfit", "Builds that wait for labels which no agent has.")
        self._agents = self._gauge("agents", "Agents, by state.", "state")
        self._slots = self._gauge("slots", "Slots of the agents that take work now.")
        self._busy = self._gauge("slots_busy", "Those of them that are taken.")
        self._disk_free = self._gauge("disk_free_bytes", "Free on the disk of the data folder.")
        self._disk_short = self._gauge(
            "disk_short", "1 while less than minFreeBytes are free there: no build is taken."
        )
        self._untold = self._gauge(
            "storage_untold", "Builds of which the external storage has still to hear something."
        )
        self._failing_s = self._gauge(
            "storage_failing_seconds", "How long the external storage has failed; 0 if it works."
        )
        self._agent_disk_free = self._gauge(
            "agent_disk_free_bytes", "Free on the disk of an agent, as it last said.", "agent"
        )
        self._agent_retries = self._gauge(
            "agent_delivery_retries",
            "Deliveries that an agent had to repeat since its start, as it last said.",
            "agent",
        )
        self._begin()

    def text(self, now: Snapshot) -> bytes:
        """Write everything down as Prometheus reads it."""
        for status in (Status.WAITING, Status.RUNNING):
            self._builds.labels(status).set(now.builds.get(status, 0))
        self._oldest_s.set(now.oldest_waiting_s)
        self._unfit.set(now.unfit)
        states = [agent.state for agent in now.agents.values()]
        for state in AgentState:
            self._agents.labels(state).set(states.count(state))
        ready = [agent for agent in now.agents.values() if agent.state is AgentState.ONLINE]
        self._slots.set(sum(agent.slots for agent in ready))
        self._busy.set(sum(agent.busy for agent in ready))
        self._disk_free.set(now.disk_free)
        self._disk_short.set(now.disk_short)
        self._untold.set(now.storage_untold)
        self._failing_s.set(now.storage_failing_s)
        self._agent_disk_free.clear()  # an agent that is gone leaves no series
        self._agent_retries.clear()
        for name, agent in now.agents.items():
            if agent.state is AgentState.LOST:
                continue
            if agent.disk_free is not None:
                self._agent_disk_free.labels(name).set(agent.disk_free)
            if agent.delivery_retries is not None:
                self._agent_retries.labels(name).set(agent.delivery_retries)
        return write_text(self._registry)

    def _begin(self) -> None:
        """Let what is known by name begin at 0."""
        for status, reason in ENDS:
            self.ended.labels(status, reason)
            self.build_s.labels(status)
        for reason in _GIVEN_UP:
            self.given_up.labels(reason)
        for why in HandoverFailure:
            self.handover_failures.labels(why)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", meaning, labels, registry=self._registry)

    def _histogram(
        self, name: str, meaning: str, ends: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", meaning, labels, buckets=ends, registry=self._registry)
