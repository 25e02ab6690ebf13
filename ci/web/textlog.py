"""A build as plain text for a terminal: what runs, its log while it is written, and the verdict.

`curl -N http://…/build/12.txt` ends when the build has ended.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from quart import Response, request
from quart.wrappers.response import ResponseBody

from ci.errors import NotFound
from ci.escapes import Stripper
from ci.model import Status
from ci.server.views import BuildView, LogView
from ci.web import query, words
from ci.web.core import Core, the_core
from ci.web.rawlog import PIECE_BYTES

_PLAIN: Final = "\x1b[0m"
_BOLD: Final = "\x1b[1m"
_COLOURS: Final = {Status.SUCCESS: "\x1b[32m", Status.FAILURE: "\x1b[31m", Status.ERROR: "\x1b[33m"}


async def text_log(number: int) -> Response:
    """Answer with the build as text; `?color=0` leaves all colours out. Raises NotFound."""
    core = the_core()
    colour = query.number("color", most=1) != 0
    view = await core.build(number)
    body: ResponseBody | bytes = _Text(core, view, colour)
    if request.method == "HEAD":
        body = b""
    response = Response(body, content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy hands each piece on as it comes
    response.timeout = None  # a build may take longer than a minute
    return response


class _Text(ResponseBody):
    """The pieces of the text, each made when the one before it was taken.

    An object, not a generator: when the reader leaves there is nothing to be closed.
    """

    def __init__(self, core: Core, view: BuildView, colour: bool) -> None:
        self._core = core
        self._number = view.build.number
        self._colour = colour
        self._stripper = Stripper(colours=colour)
        self._log = LogView(None, 0, growing=True)
        self._at = 0  # bytes of the log that were sent
        self._in_line = False  # whether what was sent of the log ends within a line
        self._told = False  # whether it was said that only the end of the log is waited for
        self._pieces = [self._title(view)]
        self._over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        pass

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces and not self._over:
            try:
                await self._go_on()
            except NotFound:
                self._end("This build was removed meanwhile.")
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop(0)

    async def _go_on(self) -> None:
        """Get the next piece of the log; else what else has happened; else wait for it."""
        if await self._read():
            return
        # The build first: when it has ended, the log that is asked for after it is the whole log.
        view = await self._core.build(self._number)
        log = await self._core.log(self._number)
        if log.attempt != self._log.attempt:
            view = await self._core.build(self._number)  # the one before may not know of it yet
            self._pieces.append(self._attempt(view))
            self._at = 0
        is_new, self._log = log != self._log, log
        if is_new:
            return
        if view.build.status.ended and not log.growing:
            is_short = bool(view.attempts) and words.lacks_end(view.attempts[-1])
            missing = (words.LOG_CUT_OFF,) if is_short else ()
            self._end(*missing, _verdict(view), status=view.build.status)
        elif self._core.is_stopping():
            self._end("The server stops; ask again when it is back.")
        elif view.build.status.ended and not self._told:
            self._told = True
            self._pieces.append(self._ours("", words.LOG_ON_ITS_WAY, ""))
        else:
            await self._core.wait_log(self._number, log)

    async def _read(self) -> bool:
        if self._log.attempt is None or self._at >= self._log.size:
            return False
        data = await self._core.read_log(self._log.attempt, self._at, PIECE_BYTES)
        self._at += len(data)
        if shown := self._stripper.strip(data):
            self._pieces.append(shown)
            self._in_line = not shown.endswith(b"\n")
        return bool(data)

    def _title(self, view: BuildView) -> bytes:
        build = view.build
        found = " ".join(part for part in (build.commit_hash, build.subject) if part)
        return self._ours(
            f"#{build.number} {build.repository}: {words.short(build.command)}",
            f"{build.commit}{f' ({found})' if found else ''}",
            f"{build.status}{f': {view.waiting_for}' if view.waiting_for else ''}",
        )

    def _attempt(self, view: BuildView) -> bytes:
        last = view.attempts[-1]
        lost = [words.why(one) for one in view.attempts[-2:-1]]
        return self._ours(*lost, f"attempt {last.try_number} on {last.agent}", "")

    def _end(self, *lines: str, status: Status | None = None) -> None:
        self._pieces.append(self._ours("", *lines, colour=_COLOURS.get(status) if status else None))
        self._over = True

    def _ours(self, *lines: str, colour: str | None = None) -> bytes:
        """Make lines of our own; the command's colours end before them, its line too."""
        text = "".join(
            f"{(colour or '') + _BOLD if self._colour and line else ''}{_printable(line)}"
            f"{_PLAIN if self._colour and line else ''}\n"
            for line in lines
        )
        before = (_PLAIN if self._colour and self._log.attempt else "") + "\n" * self._in_line
        self._in_line = False
        return (before + text).encode("utf-8", "replace")


def _verdict(view: BuildView) -> str:
    build = view.build
    parts = (build.status.capitalize(), words.verdict(build), words.duration(build.duration_s))
    return " · ".join(part for part in parts if part)


def _printable(text: str) -> str:
    """Leave out what is no text: a commit's subject must not speak to the reader's terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
