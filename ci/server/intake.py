"""What agents deliver: the pieces of a log, and then the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import trio

from ci.errors import Forbidden, GivenUp, LogFull, Rejected, TooLarge
from ci.model import Outcome, Reason, Status
from ci.server.enrolments import Caller, Enrolments
from ci.server.fleet import Fleet
from ci.server.journal import Journal
from ci.server.logs import Logs
from ci.server.logsearch import END_LOOK_BYTES, END_LOOK_S, LogSearch
from ci.server.room import Room
from ci.server.store.store import Store
from ci.wire.result import LOG_MARK_ROOM, MAX_LOG_CHUNK, Result

# What we cancel is over here before its agent hears of it, so the word is not the agent's to say.
CANCELED_BY_AGENT = "Its agent ended it although nobody had canceled it."


class Intake:
    """Takes what belongs to an attempt that is not over, and refuses the rest.

    Of a canceled one the log is taken to its end; how its agent says that it ended changes nothing.
    """

    def __init__(
        self,
        max_log_bytes: int,
        store: Store,
        fleet: Fleet,
        logs: Logs,
        *,
        search: LogSearch,
        room: Room,
        enrolments: Enrolments,
        journal: Journal,
        now: Callable[[], datetime],
    ) -> None:
        self._max_log_bytes = max_log_bytes
        self._store = store
        self._fleet = fleet
        self._logs = logs
        self._search = search
        self._room = room
        self._enrolments = enrolments
        self._journal = journal
        self._now = now

    async def append_log(
        self,
        id: str,
        offset: int,
        data: bytes,
        cut: int | None,
        *,
        lease_mark: str,
        caller: Caller,
    ) -> int:
        """Add a piece of an attempt's log and return the log's size; see `Server`."""
        if len(data) > MAX_LOG_CHUNK:
            raise TooLarge(f"a piece of a log has at most {MAX_LOG_CHUNK} bytes", field="body")
        attempt = await self._store.attempt(id)
        if attempt is None or not attempt.log_open or not attempt.is_meant(lease_mark):
            raise GivenUp(f"attempt {id[:100]} is over or unknown", field="id")
        self._enrolments.check_holder(caller, attempt.agent)
        self._fleet.heard(attempt.agent)
        if cut is not None and cut >= offset + len(data):
            message = f"cut: {cut} lies behind this piece, which ends at {offset + len(data)}"
            raise Rejected(message, field="cut")
        size = self._logs.size(id)
        if offset <= size and offset + len(data) > self._max_log_bytes + LOG_MARK_ROOM:
            raise LogFull(size)
        self._room.demand()
        # What is said of it first holds, so nothing is noted of a piece that is refused as a gap.
        if cut is not None and attempt.log_cut is None and offset <= size:
            await self._store.note_cut(id, cut)
        since = self._now() - attempt.started_at
        at_ms = max(0, since // timedelta(milliseconds=1))  # the clock may be set back
        size = await self._logs.append(id, offset, data, at_ms)
        self._journal.metrics.log_bytes.inc(len(data))
        return size

    async def finish(self, result: Result, caller: Caller) -> None:
        """Take the result of an attempt; see `Server`."""
        outcome = result.outcome()
        attempt = await self._store.attempt(result.id)
        if attempt is None or not attempt.is_meant(result.lease_mark):
            why = f"there is no attempt {result.id[:100]}"
            if attempt is not None:
                why += " of that time: the store was restored or lost, and the number given again"
            self._journal.result_refused(result.id[:100], why)
            raise GivenUp(why, field="id")
        try:
            self._enrolments.check_holder(caller, attempt.agent)
        except Forbidden:
            if attempt.log_open:
                raise
            message = f"attempt {result.id} is over, and was another agent's"
            raise GivenUp(message, field="id") from None  # so that nobody asks for ever
        self._fleet.heard(attempt.agent)
        if outcome.reason is Reason.CANCELED:
            outcome = replace(outcome, reason=Reason.AGENT_LOST, message=CANCELED_BY_AGENT)
        if outcome.duration_s is None:  # agents of others do not say, or not in which unit
            took_s = (self._now() - attempt.started_at).total_seconds()
            outcome = replace(outcome, duration_s=max(0.0, took_s))  # the clock may be set back
        try:
            if attempt.log_open:
                if result.inline_log:
                    self._room.demand()
                log = await self._logs.seal(
                    result.id, result.inline_log, outcome.log_size, result.log_sha256
                )
                outcome = replace(outcome, log_size=log.size, log_sha256=log.sha256)
            else:
                outcome = replace(outcome, log_size=attempt.log_size)
            await self._store.end(result.id, outcome, delivered=True)
        except GivenUp as error:
            self._journal.result_refused(result.id, error.message)
            self._fleet.over(result.id, True)  # late, but now its slot is free
            raise
        self._journal.metrics.log_bytes.inc(len(result.inline_log or b""))
        if attempt.log_open:
            await self._look_through(result.id, outcome)

    async def _look_through(self, id: str, outcome: Outcome) -> None:
        """Find the first error of a long log, so that who opens the page of a red build has it.

        The end is on disk by then: no search, however it fails, keeps a build from ending.
        """
        went_wrong = outcome.status in (Status.FAILURE, Status.ERROR)
        if went_wrong and (outcome.log_size or 0) > END_LOOK_BYTES:
            with trio.move_on_after(END_LOOK_S):
                await self._search.first_error(id)
