"""Hypercorn and Quart-Trio over a real socket: what becomes of a connection between requests."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from quart_trio import QuartTrio

from ci.limits import Limits
from ci.listen import open_listener
from ci.serve import GRACEFUL_S, serve_app

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LIMIT_S = 10.0
LIMITS = Limits(connections=10, client_s=60, body_bytes=1 << 20)


async def read_answer(client: trio.SocketStream) -> bytes:
    """Read until the whole of a short answer is there."""
    answer = b""
    while not answer.endswith(b"hello"):
        answer += await client.receive_some()
    return answer


@pytest.fixture
def app() -> QuartTrio:
    """An app with one answer."""
    app = QuartTrio(__name__)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    return app


@pytest.mark.parametrize("requests", [0, 1, 3])
async def test_an_idle_connection_is_closed_at_once_when_we_stop(
    app: QuartTrio, requests: int
) -> None:
    """However often it was used: only requests under way are waited for."""
    listener, stop = open_listener("127.0.0.1", 0), trio.Event()
    port = listener.getsockname()[1]
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_app, app, listener, LIMITS, stop)
            client = await trio.open_tcp_stream("127.0.0.1", port)
            for _ in range(requests):
                await client.send_all(REQUEST)
                assert (await read_answer(client)).startswith(b"HTTP/1.1 200")
            await trio.testing.wait_all_tasks_blocked(0.05)
            begin = trio.current_time()
            stop.set()
            assert await client.receive_some() == b""
        assert trio.current_time() - begin < GRACEFUL_S / 2
        await client.aclose()
