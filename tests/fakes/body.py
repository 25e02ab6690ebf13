"""A body that knows whether it was taken, and answers that say to be packed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx


class Body(httpx.AsyncByteStream):
    """No bytes."""

    def __init__(self) -> None:
        self.taken = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Be taken."""
        self.taken = True
        yield b""


def packed(body: Body) -> httpx.Response:
    """Make an answer that says to be packed, twice; who unpacks it has lost."""
    return httpx.Response(200, headers={"Content-Encoding": "gzip, gzip"}, stream=body)


def packing_client(body: Body) -> httpx.AsyncClient:
    """Make a client that is answered so, though it must have asked for nothing packed."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return packed(body)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://server")
