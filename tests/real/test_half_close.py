"""A client that closes its half of the connection after its request, as `nc -N` does.

By TLS as well, where the last word is one of TLS.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import pytest
import trio
import trio.testing
from quart import request
from quart_trio import QuartTrio

from ci.limits import Limits
from ci.listen import open_listener
from ci.serve import finish_body, serve_app
from tests.real.harness import START_S, Server, Site
from tests.real.repository import Repository
from tests.real.secure import HalfClosed, Secure, make_secure

LIMIT_S: Final = 60.0  # on a machine that has much to do
MB: Final = 1 << 20
PATIENT: Final = Limits(connections=10, client_s=LIMIT_S, body_bytes=MB)
# Short, where a test waits for it to pass.
HASTY: Final = Limits(connections=10, client_s=0.3, body_bytes=MB)
LONG: Final = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK: Final = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
RESET: Final = struct.pack("ii", 1, 0)  # linger for 0 s


class Place:
    """An app whose long handler takes until `go` is set, and says how it ended."""

    def __init__(self) -> None:
        self.port = 0
        self.app = QuartTrio(__name__)
        self.app.add_url_rule("/quick", "quick", self._quick)
        self.app.add_url_rule("/long", "long", self._long, methods=["GET", "POST"])
        self.app.add_url_rule("/large", "large", self._large)
        self.app.after_request(finish_body)
        self.is_asked, self.go, self.is_canceled = trio.Event(), trio.Event(), trio.Event()

    async def _quick(self) -> str:
        return "quick"

    async def _long(self) -> str:
        self.is_asked.set()
        try:
            await request.get_data()
            await self.go.wait()
        except trio.Cancelled:
            self.is_canceled.set()
            raise
        return "done"

    async def _large(self) -> bytes:
        return b"x" * 4 * MB

    async def converse(self, secure: Secure | None, words: bytes) -> bytes:
        """Say this and nothing more; return all of the answer."""
        client = await trio.open_tcp_stream("127.0.0.1", self.port)
        if secure is not None:
            async with client:
                return await HalfClosed(client, secure.trusting).ask(words)
        await client.send_all(words)
        await client.send_eof()
        return await read_all(client)

    async def connect(self, words: bytes) -> trio.SocketStream:
        """Open a connection and say something."""
        client = await trio.open_tcp_stream("127.0.0.1", self.port)
        await client.send_all(words)
        return client


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Secure:
    """Make a certificate."""
    return make_secure(tmp_path_factory.mktemp("secure"))


@pytest.fixture(params=["plain", "TLS"])
def secure(request: pytest.FixtureRequest, certificate: Secure) -> Secure | None:
    """By which way a test's client comes."""
    return certificate if request.param == "TLS" else None


@asynccontextmanager
async def open_place(limits: Limits, secure: Secure | None = None) -> AsyncIterator[Place]:
    """Serve until the test is over; no connection may be left that has to be ended then."""
    place, listener, stop = Place(), open_listener("127.0.0.1", 0), trio.Event()
    place.port = listener.getsockname()[1]
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            tls = secure.serving if secure else None
            serve = partial(serve_app, tls=tls)
            await nursery.start(serve, place.app, listener, limits, stop)
            yield place
            stop.set()


async def read_all(client: trio.SocketStream) -> bytes:
    """Read until the server closes, too."""
    answer = b""
    async with client:
        async for piece in client:
            answer += piece
    return answer


async def test_a_handler_goes_on_for_who_only_listens(secure: Secure | None) -> None:
    """The answer comes when it is ready, and then the connection is closed."""

    async def go() -> None:
        await place.is_asked.wait()
        await trio.testing.wait_all_tasks_blocked(0.05)
        place.go.set()

    async with open_place(PATIENT, secure) as place, trio.open_nursery() as nursery:
        nursery.start_soon(go)
        assert (await place.converse(secure, LONG)).endswith(b"\r\n\r\ndone")


async def test_all_requests_in_line_are_answered(secure: Secure | None) -> None:
    """In their order, also those that had not begun when the last byte came."""
    async with open_place(PATIENT, secure) as place:
        place.go.set()
        answer = await place.converse(secure, QUICK + LONG + QUICK)
        assert [part for part in (b"quick", b"done") for _ in range(answer.count(part))] == [
            b"quick", b"quick", b"done",
        ]  # fmt: skip
        assert answer.endswith(b"quick")


async def test_an_answer_goes_on_behind_junk(secure: Secure | None) -> None:
    """What follows the request is wrong; its answer is not."""
    async with open_place(PATIENT, secure) as place:
        words = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" + b"junk\r\n\r\n"
        answer = await place.converse(secure, words)
        assert b"\r\n\r\n" + b"x" * 4 * MB + b"HTTP/1.1 400 " in answer


async def test_who_is_cut_off_cancels_the_handler() -> None:
    """A reset says that nobody listens any more."""
    async with open_place(PATIENT) as place:
        client = await place.connect(LONG)
        await place.is_asked.wait()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.socket.close()
        await place.is_canceled.wait()


async def test_a_handler_without_end_is_canceled_in_time() -> None:
    """A client that closed all of it looks the same, so nobody is waited for without limit."""
    async with open_place(HASTY) as place:
        assert await place.converse(None, LONG) == b""
        await place.is_canceled.wait()


async def test_half_a_request_is_none() -> None:
    """Its client can't send the rest any more."""
    async with open_place(PATIENT) as place:
        client = await place.connect(
            b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"
        )
        await place.is_asked.wait()
        await client.send_eof()
        await place.is_canceled.wait()
        assert await read_all(client) == b""
        assert not place.go.is_set()


def say(server: Server, words: bytes) -> tuple[bytes, bytes]:
    """Say this, close the half, and read head and body of the answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=START_S) as client:
        client.sendall(words)
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(MB):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_api_page_and_log(site: Site, repository: Repository, more: bytes) -> None:
    """Whatever is asked of a server, its answer is whole."""
    server = site.server(repository.path)
    server.start()
    site.agent(server).start()
    body = b'{"commit": "main", "command": "head -c 20000000 /dev/zero"}'
    post = b"POST /api/builds HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n" % len(body)
    head, created = say(server, post + more + b"\r\n" + body)
    assert head.startswith(b"HTTP/1.1 201 ")
    assert b'"number":1' in created
    server.wait_build(1)
    head, page = say(server, b"GET /build/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n" + more + b"\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert page.rstrip().endswith(b"</html>")
    get = b"GET /api/builds/1/log HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head, log = say(server, get + more + b"\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert log == b"\0" * 20_000_000
