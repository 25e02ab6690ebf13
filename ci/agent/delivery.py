"""Brings one attempt's log and end to the server, until it has them or wants none.

The log goes by offset while the command runs, then the result. A small build's log rides along
with its result: two requests in all. A server that others wrote is sent everything at the end.

What the log is says `ci.agent.output`, by the file's size at the command's end: what a process that
survived the build's end may still print is no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog
import trio

from ci import blocking
from ci.agent.client import UNKNOWN_PATH
from ci.agent.line import Line
from ci.agent.output import Log, Output
from ci.backoff import delays
from ci.errors import LogFull, LogGap, PeerRefused, Unreachable
from ci.model import Outcome
from ci.outage import Outage
from ci.wire.job import Job
from ci.wire.result import MAX_INLINE_LOG, MAX_LOG_CHUNK, Dialect, write_result

FOLLOW_S: Final = 0.1  # between two looks at the log; a line is on screen well within a second
ANSWER_LIMIT_S: Final = 30.0  # for 1 MiB over a slow link
READ_BYTES_PER_S: Final = 50_000_000  # a server on a slow disk reads the whole log for its hash
SLOW_BYTES_PER_S: Final = 50_000  # a result with 8 MiB of log takes minutes over such a link
# At least one server of others never answers a result. One that hangs does not either, but then it
# asks for nothing; a try counts only if the server has asked us something while it was open.
MOST_UNANSWERED: Final = 100  # tries; about an hour
UNANSWERED_REMIND_S: Final = 600.0  # between two log lines about the same result
# How servers of others refuse what they have had already. Any other answer is one to insist on.
HAD_ALREADY: Final = (400, 409, 422)
# One that was restarted, and kept its builds in memory, will never take the end of one of these.
REFUSED_S: Final = 86_400.0  # in which a person may mend whatever else it is

logger = structlog.get_logger()


# Others take less than we would send, and say so by 413, or break the connection off.
TOO_LARGE: Final = 413
MOST_BREAKS: Final = 3  # in a row; fewer are the server's own trouble
LEAST_LOG: Final = 1 << 10  # bytes; who does not take so much does not refuse it for its size


class TooLong(Exception):
    """The server, which others wrote, does not take a result of this size."""


class NoLogCall(Exception):
    """The server has no `/notify_build_log`: others wrote it."""


class Unanswered(Exception):
    """The server, which others wrote, has not answered a result in time. It may have it or not."""


class Delivery:
    """The way of one attempt to the server, which is one of this project if the job says so.

    `address` is what servers of others are told of this agent beside the result. `sent` is how
    many bytes of log an earlier life of the agent may have sent; the server knows better.
    """

    def __init__(
        self,
        job: Job,
        output: Output,
        line: Line,
        address: Mapping[str, Any],
        *,
        dialect: Dialect = Dialect.WORDS,
        sent: int = 0,
    ) -> None:
        self._dialect = dialect
        self._id = job.id
        self._said_id = job.said_id
        self._lease_mark = job.lease_mark
        self._output = output
        self._line = line
        self._address = address
        self._native = job.protocol > 0
        self._foreign = False
        self._offset = sent  # what the server has, as far as we know
        self._began = sent > 0  # whether any of the log was sent beside the result
        self._went_back = False
        self._breaks = 0  # of the connection, in a row, by a server of others
        self._most: int | None = None  # bytes that the server takes, once it has said so
        self._silence = Outage(UNANSWERED_REMIND_S)  # of a server of others, to this result
        self._unsure = False  # whether such a one may have it though it did not say so
        self._refused_at: float | None = None  # when such a one first said no
        self._ignored = 0  # tries that it has left unanswered though it lives
        self._waits = delays()  # between these

    async def follow(self, over: trio.Event) -> None:
        """Send what the log grows by until `over`. Raises GivenUp."""
        seen = 0
        while not over.is_set():
            with trio.move_on_after(FOLLOW_S):
                await over.wait()
                return
            size = await self._output.look()
            if size != seen and not over.is_set():
                seen = size
                # Only what is there now: a fast command would keep us from seeing its end.
                await self._send_log(await blocking.run(self._output.so_far, size))

    async def finish(self, outcome: Outcome) -> None:
        """Send the rest of the log and the result. Raises GivenUp."""
        while True:
            log, body = await blocking.run(self._pack, outcome)
            if body is None:
                await self._send_log(log)
                # The server may have turned out to be another's.
                body = await blocking.run(
                    lambda log: self._body(outcome, log, self._inline(log)), log
                )
            try:
                await self._line.insist("result", partial(self._send_result, body, log))
                return
            except LogGap as gap:
                await self._go_back("result", gap)
            except TooLong as error:
                self._shorten(log, str(error))
            except Unanswered:
                if self._ignored >= MOST_UNANSWERED:
                    logger.warning("result never answered", attempt=self._id, next="not told again")
                    return
                await self._line.wait_heard(next(self._waits))

    def _shorten(self, log: Log, why: str) -> None:
        """Send less of the log from now on: a verdict counts for more than its middle."""
        size = min(log.size, self._output.limit)
        limit = 1 << ((size - 1).bit_length() - 1)  # the next power of two below
        self._output = replace(self._output, limit=limit)
        logger.warning(
            "result too large", attempt=self._id, log_size=log.size, answer=why, next_limit=limit
        )

    async def _send_log(self, log: Log) -> None:
        """Send what the server does not have of `log`."""
        while not self._is_foreign and self._offset < self._taken(log).size:
            chunk = await blocking.run(log.read, self._offset, MAX_LOG_CHUNK)
            if not chunk:
                return  # the command has cut its own output
            try:
                self._offset = await self._line.insist("log", partial(self._send_chunk, log, chunk))
                self._line.metrics.log_bytes.inc(len(chunk))
                self._began = True
            except LogGap as gap:
                await self._go_back("log", gap)
            except LogFull as full:
                logger.warning("log full", attempt=self._id, size=full.size)
                self._began = True
                self._offset = self._most = full.size
            except NoLogCall:
                self._foreign = True

    def _taken(self, log: Log) -> Log:
        """Return the part of `log` that the server takes."""
        return log if self._most is None else log.first(self._most)

    async def _go_back(self, what: str, gap: LogGap) -> None:
        """Go on from where the server says.

        Once it may have lost bytes, or we did not know what it had. A server that says so again
        would have all the log from us over and over: that is a refusal.
        """
        if self._went_back:
            await self._line.bear_refusal(what, f"wants the log again from {gap.size}")
        self._went_back = True
        self._began = True
        self._offset = gap.size

    async def _send_chunk(self, log: Log, chunk: bytes) -> int:
        # Said with the mark itself, and again with all that follows it.
        said = log.cut is not None and log.cut < self._offset + len(chunk)
        cut = log.cut if said else None
        try:
            with trio.fail_after(ANSWER_LIMIT_S):
                size = await self._line.client.send_log(
                    self._id, self._offset, chunk, cut, lease_mark=self._lease_mark
                )
        except PeerRefused as error:
            if error.status in UNKNOWN_PATH and not self._native:
                raise NoLogCall from error
            raise
        except LogGap as gap:
            if gap.size == self._offset:  # going on from there would go on for ever
                raise PeerRefused(409, f"wants offset {gap.size}, which it was given") from gap
            raise
        if size <= self._offset:
            raise PeerRefused(200, f"took nothing of the log at {self._offset}")
        return size

    async def _send_result(self, body: Mapping[str, Any], log: Log) -> None:
        if not self._is_foreign:
            with trio.fail_after(ANSWER_LIMIT_S + body["log_size"] / READ_BYTES_PER_S):
                try:
                    await self._line.client.send_result(body)
                except LogGap as gap:
                    if gap.size >= body["log_size"]:
                        raise PeerRefused(409, "lacks log, but has all of it") from gap
                    raise
            return
        began = trio.current_time()
        with trio.move_on_after(ANSWER_LIMIT_S + log.size / SLOW_BYTES_PER_S) as limit:
            await self._send_foreign(body, can_be_less=self._can_be_less(log))
        if limit.cancelled_caught:
            self._unsure = True
            self._ignored += self._line.heard_at >= began
            self._line.metrics.repeated("result")
            if (lasted_s := self._silence.failed()) is not None:
                next_ = "told again until there is an answer"
                logger.warning("result not answered", attempt=self._id, for_s=lasted_s, next=next_)
            raise Unanswered

    def _can_be_less(self, log: Log) -> bool:
        return min(log.size, self._output.limit) > LEAST_LOG

    async def _send_foreign(self, body: Mapping[str, Any], *, can_be_less: bool) -> None:
        """Send a result. Raises TooLong when less of it would be taken."""
        try:
            await self._line.client.send_result(body)
        except PeerRefused as error:
            if error.status == TOO_LARGE and can_be_less:
                raise TooLong(str(error)) from error
            if self._unsure and error.status in HAD_ALREADY:
                meaning = "it has had what it did not answer"
                logger.info("result refused", attempt=self._id, answer=str(error), meaning=meaning)
                return
            now = trio.current_time()
            self._refused_at = now if self._refused_at is None else self._refused_at
            if now >= self._refused_at + REFUSED_S:
                logger.error(
                    "result given up", attempt=self._id, answer=str(error), for_s=REFUSED_S
                )
                return
            raise
        except Unreachable as error:
            # A server that reads no further than its limit may have no answer for the rest.
            self._breaks = self._breaks + 1 if error.broken else 0
            self._unsure = self._unsure or error.broken
            if self._breaks >= MOST_BREAKS and can_be_less:
                raise TooLong(str(error)) from error
            raise

    @property
    def _is_foreign(self) -> bool:
        if self._native:
            return False
        welcome = self._line.welcome
        return self._foreign or (welcome is not None and welcome.protocol == 0)

    def _pack(self, outcome: Outcome) -> tuple[Log, dict[str, Any] | None]:
        """Return the log, and the result if the log can ride along with it."""
        size = self._output.measure()
        if outcome.log_size is not None:
            size = min(size, outcome.log_size)
        log = self._output.whole(size)
        text = self._inline(log)
        return log, None if text is None else self._body(outcome, log, text)

    def _inline(self, log: Log) -> str | None:
        """Return the log if it can ride along with the result, else None."""
        too_long = log.size > MAX_INLINE_LOG or log.cut is not None  # a piece says where it is cut
        if not self._is_foreign and (self._began or too_long):
            return None
        data = b"".join(log.pieces())
        try:
            return data.decode("utf-8", "replace" if self._is_foreign else "strict")
        except UnicodeDecodeError:
            return None  # only the bytes themselves are the log

    def _body(self, outcome: Outcome, log: Log, text: str | None) -> dict[str, Any]:
        """Make the result; reads the whole log, for its hash."""
        log = self._taken(log)
        outcome = replace(outcome, log_size=log.size)
        if self._most is not None:
            words = f"The server took no more than the first {log.size:,} bytes of the log."
            outcome = replace(outcome, message=f"{outcome.message} {words}".lstrip())
        body = write_result(
            self._said_id, outcome, text, log.sha256(), native=self._native, dialect=self._dialect
        )
        if self._lease_mark:
            body["lease_mark"] = self._lease_mark
        if not self._native:
            body |= self._address
            if self._line.welcome is not None and self._line.welcome.agent_id != "":
                body["agentId"] = self._line.welcome.agent_id
        return body
