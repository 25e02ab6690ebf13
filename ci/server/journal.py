"""Journal: what became of builds, as log lines and as numbers. Each event is told once, here.

The store tells it right after the commit: whoever asked for the change may have left by then.
A build that was accepted ends with exactly one `build ended`; an attempt that was leased ends
with exactly one of `attempt put back`, `result taken`, `attempt given up` and `build canceled`;
a canceled one whose agent had it, later, with `end of log taken` or `end of log given up`.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from ci.model import Attempt, Build, CommitInfo, Lease, Reason, Status
from ci.outage import Outage
from ci.server.metrics import Metrics

REFUSED_REMIND_S = 60.0  # a full queue refuses many a second
REFUSED_AGENT_REMIND_S = 600.0  # an agent that is refused asks again each minute

_WAITS_AGAIN = "the build waits again"
_ENDS = "the build ends"

log = structlog.get_logger()


class Journal:
    """Tells the log and counts in `metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._refusing = Outage(REFUSED_REMIND_S)
        self._refused = 0  # since the last line about it
        self._refusing_agents = Outage(REFUSED_AGENT_REMIND_S)

    def accepted(self, build: Build) -> None:
        """A build is on disk."""
        self.metrics.accepted.inc()
        log.info(
            "build accepted",
            build=build.number,
            repository=build.repository,
            commit=build.commit,
        )

    def forbidden(self, build: Build) -> None:
        """The rules don't allow it, so it has ended where it began."""
        log.warning("build refused", build=build.number, why=build.message, next=_ENDS)
        self._build_ended(build.number, build.status, build.reason, None)

    def refused(self, why: str) -> None:
        """A sound build was not accepted. Told once a minute: who is refused asks again."""
        self.metrics.refused.inc()
        self._refused += 1
        if self._refusing.failed() is not None:
            log.warning("builds refused", why=why, refused=self._refused, next="clients ask again")
            self._refused = 0

    def agent_refused(self, why: str) -> None:
        """A new agent was not taken in. Told each ten minutes: it asks again for ever."""
        if self._refusing_agents.failed() is not None:
            log.warning("agents refused", why=why, next="they ask again each minute")

    def leased(self, lease: Lease) -> None:
        """An agent is going to be asked to take an attempt."""
        attempt = lease.attempt
        log.info(
            "attempt leased",
            build=attempt.build,
            attempt=attempt.id,
            agent=attempt.agent,
            waited_s=waited_s(lease, attempt.started_at),
        )

    def handed_over(self, lease: Lease, now: datetime) -> None:
        """The agent has taken it."""
        attempt = lease.attempt
        self.metrics.dispatch_s.observe(waited_s(lease, now))
        took_s = _seconds(attempt.started_at, now)
        log.info(
            "attempt handed over",
            build=attempt.build,
            attempt=attempt.id,
            agent=attempt.agent,
            took_s=took_s,
        )

    def moved(self, number: int) -> None:
        """Somebody has moved a build to the front of the line."""
        log.info("build moved", build=number, next="it is the next in line")

    def put_back(self, number: int, id: str) -> None:
        """The agent did not take it."""
        log.info("attempt put back", build=number, attempt=id, next=_WAITS_AGAIN)

    def commit_found(self, attempt: Attempt, commit: CommitInfo) -> None:
        """The agent has said which commit it builds."""
        log.info("commit found", build=attempt.build, attempt=attempt.id, commit=commit.commit_hash)

    def result_taken(self, attempt: Attempt, *, again: bool) -> None:
        """An agent has delivered an attempt's end."""
        log.info(
            "result taken",
            build=attempt.build,
            attempt=attempt.id,
            agent=attempt.agent,
            status=attempt.status,
            reason=attempt.reason,
            next=_WAITS_AGAIN if again else _ENDS,
        )
        if not again:
            self._build_ended(attempt.build, attempt.status, attempt.reason, attempt.duration_s)

    def result_repeated(self, attempt: Attempt) -> None:
        """It was delivered once more: the first answer was lost on its way."""
        log.info("result repeated", build=attempt.build, attempt=attempt.id, agent=attempt.agent)

    def result_refused(self, id: str, why: str) -> None:
        """It was delivered after the attempt was over."""
        self.metrics.late_results.inc()
        log.warning("result refused", attempt=id, why=why, next="its agent drops it")

    def given_up(self, attempt: Attempt, *, again: bool) -> None:
        """The server has ended an attempt by its own decision."""
        self.metrics.given_up.labels(attempt.reason).inc()
        log.warning(
            "attempt given up",
            build=attempt.build,
            attempt=attempt.id,
            agent=attempt.agent,
            reason=attempt.reason,
            why=attempt.message,
            next=_WAITS_AGAIN if again else _ENDS,
        )
        if not again:
            self._build_ended(attempt.build, attempt.status, attempt.reason, attempt.duration_s)

    def log_taken(self, attempt: Attempt) -> None:
        """The agent of a canceled attempt has delivered all that was printed."""
        log.info(
            "end of log taken",
            build=attempt.build,
            attempt=attempt.id,
            agent=attempt.agent,
            log_size=attempt.log_size,
        )

    def log_given_up(self, attempt: Attempt, why: str) -> None:
        """It will not: what was printed at the end may be missing."""
        log.warning(
            "end of log given up",
            build=attempt.build,
            attempt=attempt.id,
            agent=attempt.agent,
            why=why,
            next="the log stays as it is",
        )

    def canceled(self, build: Build, ids: tuple[str, ...]) -> None:
        """Somebody has canceled a build; `ids` were running."""
        log.info(
            "build canceled",
            build=build.number,
            attempts=list(ids),
            next="their processes are ended" if ids else _ENDS,
        )
        self._build_ended(build.number, build.status, build.reason, build.duration_s)

    def _build_ended(
        self, number: int, status: Status, reason: Reason | None, duration_s: float | None
    ) -> None:
        self.metrics.ended.labels(status, reason).inc()
        if duration_s is not None:
            self.metrics.build_s.labels(status).observe(duration_s)
        log.info("build ended", build=number, status=status, reason=reason, duration_s=duration_s)


def waited_s(lease: Lease, until: datetime) -> float:
    """How long a job had waited for this lease, in seconds."""
    return _seconds(lease.waits_again_since or lease.build.created_at, until)


def _seconds(begin: datetime, end: datetime) -> float:
    """Not below 0: the clock of the machine may have been set back."""
    return max(0.0, (end - begin).total_seconds())
