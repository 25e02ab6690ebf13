"""A network without sockets: httpx clients that reach ASGI apps by host and port.

A host can be down (connection refused), cut off (no answer ever), mute (it takes the connection
and says nothing), or lose an answer after the request was handled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import trio

from tests.fakes.asgi import AppTransport


class Network(httpx.AsyncBaseTransport):
    """Routes requests to the apps that are up. One transport for all clients."""

    def __init__(self) -> None:
        self.apps: dict[str, Any] = {}  # "host:port" → ASGI app
        self.cut: set[str] = set()  # addresses from which no answer comes
        # Connections to these are taken, and nothing is said on them until the event.
        self.mute: dict[str, trio.Event] = {}
        self.lose_answers: dict[str, int] = {}  # path → how many answers to lose
        self.delays: dict[str, float] = {}  # path, or address and path → seconds on the way
        self.on_the_way: dict[str, Callable[[], None]] = {}  # "before PATH", "after PATH" → do
        self.requests: list[tuple[str, str, bytes]] = []  # method, path, body
        self.letters: list[httpx.Request] = []  # the same, whole
        self.answers: list[httpx.Response] = []  # of those that came, also of lost ones

    def client(self, base_url: str = "") -> httpx.AsyncClient:
        """Make a client whose requests go through this network."""
        return httpx.AsyncClient(transport=self, base_url=base_url, timeout=httpx.Timeout(None))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer by the app at the request's address, or fail as a network does."""
        await trio.lowlevel.checkpoint()
        address = f"{request.url.host}:{request.url.port}"
        body = await request.aread()
        self.requests.append((request.method, request.url.path, body))
        self.letters.append(request)
        if address in self.mute:
            await _take_connection(request)
            await self.mute[address].wait()
            raise httpx.ReadError("connection reset", request=request)
        if address in self.cut:
            await trio.sleep_forever()
        path = request.url.path
        await self.passing(f"before {path}")
        await trio.sleep(self.delays.get(address + path, self.delays.get(path, 0)))
        app = self.apps.get(address)
        if app is None:
            refusal = ConnectionRefusedError()
            raise httpx.ConnectError("connection refused", request=request) from refusal
        response = await AppTransport(app).handle_async_request(request)
        await response.aread()
        self.answers.append(response)
        if self.lose_answers.get(request.url.path, 0) > 0:
            self.lose_answers[request.url.path] -= 1
            raise httpx.ReadError("connection reset", request=request)
        await self.passing(f"after {path}")
        return response

    async def passing(self, what: str) -> None:
        """Do what a test wants done at this moment, once; the caller may be dead then."""
        if (do := self.on_the_way.pop(what, None)) is not None:
            do()
            await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Stay open: many clients share it."""


async def _take_connection(request: httpx.Request) -> None:
    """Tell who asked as a real connection does."""
    if "trace" in request.extensions:
        await request.extensions["trace"]("connection.connect_tcp.complete", {})


def broken_client(words: str) -> httpx.AsyncClient:
    """Make a client whose every request raises a RuntimeError of these words."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise RuntimeError(words)

    return httpx.AsyncClient(transport=httpx.MockTransport(fail), base_url="http://nowhere")
