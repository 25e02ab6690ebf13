"""A client's way to an ASGI app without a socket, in which no async generator is left half read.

httpx sends a body by an async generator. An app that refuses a request does not read it to its
end, and on Python 3.13 trio then warns of a generator that was collected unfinished.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx


class WholeBody(httpx.AsyncByteStream):
    """A body in one piece."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Begin anew."""
        return _Pieces([self._body])


class _Pieces:
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop(0)


class AppTransport(httpx.ASGITransport):
    """As httpx's own, but it reads the body before it is sent on."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let the app answer."""
        whole = WholeBody(await request.aread())
        again = httpx.Request(request.method, request.url, headers=request.headers, stream=whole)
        return await super().handle_async_request(again)
