"""Hypercorn and Quart-Trio over a real socket: what becomes of a connection between requests."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing
from quart_trio import QuartTrio

from ci.limits import Limits
from ci.listen import open_listener
from ci.serve import serve_app

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LONG_REQUEST = b"GET /long HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LIMIT_S = 60.0  # on a machine that has much to do
LIMITS = Limits(connections=10, client_s=60, body_bytes=1 << 20)


async def read_answer(client: trio.SocketStream) -> bytes:
    """Read until the whole of a short answer is there."""
    answer = b""
    while not answer.endswith(b"hello"):
        answer += await client.receive_some()
    return answer


class Place:
    """An app with an answer at once, and one that takes until `go` is set."""

    def __init__(self) -> None:
        self.app = QuartTrio(__name__)
        self.app.add_url_rule("/", "hello", self._hello)
        self.app.add_url_rule("/long", "long", self._long)
        self.is_asked, self.go = trio.Event(), trio.Event()

    async def _hello(self) -> str:
        return "hello"

    async def _long(self) -> str:
        self.is_asked.set()
        await self.go.wait()
        return "hello"


@pytest.mark.parametrize("requests", [0, 1, 3])
async def test_an_idle_connection_is_closed_at_once_when_we_stop(requests: int) -> None:
    """However often it was used: only requests under way are waited for."""
    serve = partial(serve_app, graceful_s=2 * LIMIT_S)  # or a slow machine ends the one under way
    place, listener, stop = Place(), open_listener("127.0.0.1", 0), trio.Event()
    port = listener.getsockname()[1]
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, place.app, listener, LIMITS, stop)
            busy = await trio.open_tcp_stream("127.0.0.1", port)
            await busy.send_all(LONG_REQUEST)
            await place.is_asked.wait()
            client = await trio.open_tcp_stream("127.0.0.1", port)
            for _ in range(requests):
                await client.send_all(REQUEST)
                assert (await read_answer(client)).startswith(b"HTTP/1.1 200")
            await trio.testing.wait_all_tasks_blocked(0.05)
            stop.set()
            assert await client.receive_some() == b""
            place.go.set()  # the other one is still waited for
            assert (await read_answer(busy)).startswith(b"HTTP/1.1 200")
        await client.aclose()
        await busy.aclose()
