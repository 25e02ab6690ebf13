"""Brings one attempt's log and end to the server, until it has them or wants none.

The log goes by offset while the command runs, then the result. A small build's log rides along
with its result: two requests in all. A server that others wrote is sent everything at the end.

The log is the first `log_size` bytes of its file: what a process that survived the build's end
may still print is no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import trio

from ci import blocking, logfile
from ci.agent.client import UNKNOWN_PATH
from ci.agent.line import Line
from ci.errors import LogGap, PeerRefused
from ci.model import Outcome
from ci.wire.result import MAX_INLINE_LOG, MAX_LOG_CHUNK, write_result

FOLLOW_S: Final = 0.1  # between two looks at the log; a line is on screen well within a second
ANSWER_LIMIT_S: Final = 30.0  # for 1 MiB over a slow link
FOREIGN_LIMIT_S: Final = 10.0  # at least one server of others never answers at all
MAX_FOREIGN_LOG: Final = 8 << 20  # bytes; more would be refused by all that are known

log = structlog.get_logger()


class NoLogCall(Exception):
    """The server has no `/notify_build_log`: others wrote it."""


class Delivery:
    """The way of one attempt to the server. `native`: that is known to be one of this project.

    `address` is what servers of others are told of this agent beside the result. `sent` is how
    many bytes of log an earlier life of the agent may have sent; the server knows better.
    """

    def __init__(
        self,
        id: str,
        path: Path,
        line: Line,
        address: Mapping[str, Any],
        *,
        native: bool,
        sent: int = 0,
    ) -> None:
        self._id = id
        self._path = path
        self._line = line
        self._address = address
        self._native = native
        self._foreign = False
        self._offset = sent  # what the server has, as far as we know
        self._began = sent > 0  # whether any of the log was sent beside the result
        self._went_back = False

    async def follow(self, over: trio.Event) -> None:
        """Send what the log grows by until `over`. Raises GivenUp."""
        while not over.is_set():
            with trio.move_on_after(FOLLOW_S):
                await over.wait()
            if not over.is_set():
                # Only what is there now: a fast command would keep us from seeing its end.
                await self._send_log(logfile.size(self._path))

    async def finish(self, outcome: Outcome) -> None:
        """Send the rest of the log and the result. Raises GivenUp."""
        while True:
            size = logfile.size(self._path)
            if outcome.log_size is not None:
                size = min(size, outcome.log_size)
            digest = await blocking.run(logfile.sha256, self._path, size)
            text = await self._inline(size)
            if text is None:
                await self._send_log(size)
                text = await self._inline(size)  # the server may have turned out to be another's
            body = self._body(replace(outcome, log_size=size), text, digest)
            try:
                await self._line.insist("result", partial(self._send_result, body))
                return
            except LogGap as gap:
                await self._go_back("result", gap)

    async def _send_log(self, end: int) -> None:
        """Send what there is up to the offset `end`."""
        while not self._is_foreign and min(logfile.size(self._path), end) > self._offset:
            limit = min(end - self._offset, MAX_LOG_CHUNK)
            chunk = await blocking.run(logfile.read, self._path, self._offset, limit)
            try:
                self._offset = await self._line.insist("log", partial(self._send_chunk, chunk))
                self._began = True
            except LogGap as gap:
                await self._go_back("log", gap)
            except NoLogCall:
                self._foreign = True

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

    async def _send_chunk(self, chunk: bytes) -> int:
        try:
            with trio.fail_after(ANSWER_LIMIT_S):
                size = await self._line.client.send_log(self._id, self._offset, chunk)
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

    async def _send_result(self, body: Mapping[str, Any]) -> None:
        if not self._is_foreign:
            with trio.fail_after(ANSWER_LIMIT_S):
                try:
                    await self._line.client.send_result(body)
                except LogGap as gap:
                    if gap.size >= body["log_size"]:
                        raise PeerRefused(409, "lacks log, but has all of it") from gap
                    raise
            return
        with trio.move_on_after(FOREIGN_LIMIT_S) as limit:
            await self._line.client.send_result(body)
        if limit.cancelled_caught:
            log.warning("result not answered", attempt=self._id, after_s=FOREIGN_LIMIT_S)

    @property
    def _is_foreign(self) -> bool:
        if self._native:
            return False
        welcome = self._line.welcome
        return self._foreign or (welcome is not None and welcome.protocol == 0)

    async def _inline(self, size: int) -> str | None:
        """Return the log if it can ride along with the result, else None."""
        if self._is_foreign:
            return await blocking.run(_clipped, self._path, size)
        if self._began or size > MAX_INLINE_LOG:
            return None
        data = await blocking.run(logfile.read, self._path, 0, size)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return None  # only the bytes themselves are the log

    def _body(self, outcome: Outcome, text: str | None, digest: str) -> dict[str, Any]:
        body = write_result(self._id, outcome, text, digest, native=self._native)
        if not self._native:
            body |= self._address
            if self._line.welcome is not None and self._line.welcome.agent_id:
                body["agentId"] = self._line.welcome.agent_id
        return body


def _clipped(path: Path, size: int) -> str:
    """Read a log for a server that takes it whole: its beginning and its end, if it is long."""
    if size <= MAX_FOREIGN_LOG:
        return logfile.read(path, 0, size).decode("utf-8", "replace")
    half = MAX_FOREIGN_LOG // 2
    first = logfile.read(path, 0, half).decode("utf-8", "replace")
    last = logfile.read(path, size - half, half).decode("utf-8", "replace")
    return f"{first}\n\n[... {size - 2 * half} bytes are left out here ...]\n\n{last}"
