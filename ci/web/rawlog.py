"""A log as plain bytes: whole or a range of it, streamed in pieces, also while it grows."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Final, Self

from quart import Response, request
from quart.wrappers.response import ResponseBody

from ci.web.core import Core, the_core
from ci.web.query import text

PIECE_BYTES: Final = 256 << 10  # read and sent at once
_RANGE: Final = re.compile(r"bytes=(?:([0-9]+)-([0-9]*)|-([0-9]+))")
_MAX_DIGITS: Final = 18  # of a number of bytes; no disk holds more, whatever a client asks for


async def raw_log(number: int) -> Response:
    """Answer with the log, as long as it is now. Raises NotFound."""
    core = the_core()
    log = await core.log(number, text("attempt"))
    begin, end, status = 0, log.size, 200
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if (wanted := _wanted_range(log.size)) is not None:
        begin, end = wanted
        if begin >= end:
            headers["Content-Range"] = f"bytes */{log.size}"
            return _answer(b"", 416, headers)
        status = 206
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{log.size}"
    headers["Content-Length"] = str(end - begin)
    if request.method == "HEAD" or log.attempt is None:
        return _answer(b"", status, headers)
    return _answer(_Pieces(core, log.attempt, begin, end), status, headers)


def _wanted_range(size: int) -> tuple[int, int] | None:
    """Read the Range header: begin and end, an empty range if there is no such byte.

    None where there is none, or one that means nothing and is to be ignored (RFC 9110).
    """
    # If-Range names a version that must still hold; a log that grows has none to compare with.
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if match is None or "If-Range" in request.headers:
        return None
    first, last, length = match.groups()
    if length is not None:
        return max(0, size - _number(length)), size
    if last and _number(last) < _number(first):
        return None
    return _number(first), min(_number(last) + 1, size) if last else size


def _number(digits: str) -> int:
    """Read a number; one that is too long for any log is the largest, at no cost."""
    digits = digits.lstrip("0")
    return int(digits or 0) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _answer(body: bytes | ResponseBody, status: int, headers: dict[str, str]) -> Response:
    response = Response(body, status, content_type="text/plain; charset=utf-8")
    response.headers.update(headers)
    response.timeout = None  # else a download that takes longer than a minute is cut silently
    return response


class _Pieces(ResponseBody):
    """The bytes from `begin` to `end`, one piece at a time.

    An object, not a generator: when the reader leaves there is nothing to be closed.
    """

    def __init__(self, core: Core, attempt: str, begin: int, end: int) -> None:
        self._core = core
        self._attempt = attempt
        self._next = begin
        self._end = end

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
        piece = b""
        if self._next < self._end:
            limit = min(PIECE_BYTES, self._end - self._next)
            piece = await self._core.read_log(self._attempt, self._next, limit)
        if not piece:
            raise StopAsyncIteration
        self._next += len(piece)
        return piece
