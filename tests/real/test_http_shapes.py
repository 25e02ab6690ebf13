"""Requests of every wrong shape over a real socket: a clear end, and nothing is smuggled in.

By TLS as well, where the bytes come in other pieces and another part of ours ends the connection.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import pytest
import trio
from quart import request
from quart_trio import QuartTrio
from structlog.testing import capture_logs

from ci.gate import NO_PAGE, Gate
from ci.limits import Limits
from ci.listen import open_listener
from ci.serve import finish_body, serve_app
from tests.real.secure import Secure, connect, make_secure

MB: Final = 1 << 20
LIMITS: Final = Limits(connections=10, client_s=60, body_bytes=8 * MB)
LIMIT_S: Final = 20.0
# Ends each conversation in order: whatever stands before it has been answered when it is.
LAST: Final = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SECOND: Final = b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n"
GET: Final = b"GET /a HTTP/1.1\r\nHost: x\r\n"
POST: Final = b"POST /a HTTP/1.1\r\nHost: x\r\n"
CHUNKED: Final = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WEBSOCKET: Final = (
    GET + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

REFUSED: Final = {
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 6\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": POST + b"Content-Length: -5\r\n\r\nhello",
    "a length in hex": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "an endless length": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nhello",
    "length, chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks, length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coded twice": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding after \\v": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-1\r\nxx",
    "a chunk of 0x5": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk without end": CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
    "a long extension": CHUNKED + b"5;" + b"a" * 70_000 + b"\r\nhello\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "no colon": GET + b"XXX\r\n\r\n",
    "a name of nothing": GET + b": x\r\n\r\n",
    "folded at once": b"GET /a HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n",
    "a lone CR": GET + b"X: a\rContent-Length: 5\r\n\r\n",
    "a NUL": GET + b"X: a\0b\r\n\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    "raw UTF-8 in the path": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address that is none": b"GET http://[::1/a HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address that is none, coded": b"GET http://%5b::1/a HTTP/1.1\r\nHost: x\r\n\r\n",
    "a question alone": b"GET ?a HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /a\r\n\r\n",
    "HTTP/9.9": b"GET /a HTTP/9.9\r\nHost: x\r\n\r\n",
    "get": b"get /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "head": b"Head /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "post with a body": b"post /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a head without end": GET + b"X: " + b"y" * 200_000,
    "headers without end": GET + b"a:\r\n" * 50_000,
    "a large body": POST + b"Content-Length: 3145728\r\n\r\n" + b"x" * 3 * MB,
    "large chunks": CHUNKED + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 48 + b"0\r\n\r\n",
}

TAKEN: Final = {
    "the same length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nHost: evil.example\r\n\r\n",
    "a folded line": POST + b"Content-Length:\r\n 5\r\n\r\nhello",
    "an offer of HTTP/2": GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "an absolute address": b"GET http://evil.example/a HTTP/1.1\r\nHost: x\r\n\r\n",
    "an offer of WebSocket": WEBSOCKET,
    "no slash": b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body that nobody asked for": GET + b"Content-Length: 5\r\n\r\nhello",
    "a body that looks like a request": POST + b"Content-Length: %d\r\n\r\n" % len(SECOND) + SECOND,
}

# These may be answered, and the connection may go on or end.
HARMLESS: Final = {
    "an address without path": b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a question without path": b"GET http://x?a HTTP/1.1\r\nHost: x\r\n\r\n",
    "a star": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "the port of a connect": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "the letters of a port": b"GET x:[80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "two slashes": b"GET //[a HTTP/1.1\r\nHost: x\r\n\r\n",
    "WebSocket, junk": WEBSOCKET + b"\x81\x85" + b"junk" * 50,
}


class Place:
    """An app on a port, and what it was asked for."""

    def __init__(self, secure: Secure | None, hosts: frozenset[str] | None) -> None:
        self.trusting = secure.trusting if secure else None
        self.asked: list[str] = []
        self.port = 0
        self.app = QuartTrio(__name__)
        self.app.config["MAX_CONTENT_LENGTH"] = MB
        self.app.add_url_rule("/<path:name>", "all", self._all, methods=["GET", "POST"])
        self.app.after_request(finish_body)
        self.app.asgi_app = Gate(self.app.asgi_app, hosts)  # type: ignore[method-assign] # Quart's way

    async def _all(self, name: str) -> str:
        await request.get_data()
        self.asked.append(name)
        return "hello"

    async def say(self, words: bytes) -> list[int]:
        """Say this on a connection of its own; return the statuses of all that is answered."""
        answer = await self.answer(words, self.trusting)
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]

    async def answer(self, words: bytes, trusting: ssl.SSLContext | None) -> bytes:
        """Say this on a connection of its own; return all that comes back."""
        answer = b""
        with trio.fail_after(LIMIT_S):
            client = await connect(self.port, trusting)
            async with client, trio.open_nursery() as nursery:
                nursery.start_soon(self._send, client, words)
                while piece := await client.receive_some():
                    answer += piece
        return answer

    async def _send(self, client: trio.abc.SendStream, words: bytes) -> None:
        try:
            await client.send_all(words)
        except trio.BrokenResourceError:
            return  # refused before all of it was said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Secure:
    """Make a certificate."""
    return make_secure(tmp_path_factory.mktemp("secure"))


@pytest.fixture(params=["plain", "TLS"])
def secure(request: pytest.FixtureRequest, certificate: Secure) -> Secure | None:
    """By which way a test's client comes."""
    return certificate if request.param == "TLS" else None


@asynccontextmanager
async def open_place(
    secure: Secure | None, hosts: frozenset[str] | None = None
) -> AsyncIterator[Place]:
    """Serve until the test is over."""
    place, listener, stop = Place(secure, hosts), open_listener("127.0.0.1", 0), trio.Event()
    place.port = listener.getsockname()[1]
    serve = partial(serve_app, tls=secure.serving if secure else None)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, place.app, listener, LIMITS, stop)
        yield place
        stop.set()


@pytest.mark.parametrize("words", REFUSED.values(), ids=list(REFUSED))
async def test_a_wrong_shape_ends_the_connection(words: bytes, secure: Secure | None) -> None:
    """One answer that says no, no handler runs, and what follows is not heard."""
    async with open_place(secure) as place:
        (status,) = await place.say(words + SECOND + LAST)
        assert 400 <= status < 500 or status == 501  # 501: a coding that we do not know
        assert place.asked == []
        assert await place.say(LAST) == [200]


@pytest.mark.parametrize("words", TAKEN.values(), ids=list(TAKEN))
async def test_an_odd_shape_is_one_request(words: bytes, secure: Secure | None) -> None:
    """No more and no less, and the next one on the connection is the next."""
    async with open_place(secure) as place:
        assert await place.say(words + LAST) == [200, 200]
        assert place.asked == ["a", "last"]


@pytest.mark.parametrize("words", HARMLESS.values(), ids=list(HARMLESS))
async def test_what_nobody_needs_is_no_failure(words: bytes, secure: Secure | None) -> None:
    """It is answered, and never as if the fault were ours; the log stays empty."""
    async with open_place(secure) as place:
        with capture_logs() as lines:
            statuses = await place.say(words + LAST)
        assert statuses
        assert max(statuses) < 500
        assert lines == []


REFUSALS: Final = {
    400: GET + b"no colon\r\n\r\n",
    431: GET + b"X: " + b"y" * 200_000,
    501: POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    421: b"GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    200: LAST,
}


@pytest.mark.parametrize("status", REFUSALS)
async def test_no_answer_may_be_taken_for_a_page(status: int, secure: Secure | None) -> None:
    """Also one that no app has made: nothing in it runs, and nobody guesses what it is."""
    async with open_place(secure, frozenset({"x"})) as place:
        await check_headers(place, status, REFUSALS[status], place.trusting)


async def test_nor_that_of_an_app_that_fails(secure: Secure | None) -> None:
    """And that to a browser which speaks without TLS to a port that wants it."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with open_place(secure) as place:
        if secure:
            await check_headers(place, 400, LAST, None)
        place.app.asgi_app = fail  # type: ignore[method-assign,assignment]
        await check_headers(place, 500, LAST, place.trusting)


async def check_headers(
    place: Place, status: int, words: bytes, trusting: ssl.SSLContext | None
) -> None:
    """The one answer to this has this status, and each of the headers once."""
    head = (await place.answer(words, trusting)).split(b"\r\n\r\n")[0].decode()
    assert head.startswith(f"HTTP/1.1 {status} ")
    for name, value in NO_PAGE.items():
        assert head.lower().split("\r\n").count(f"{name}: {value}".lower()) == 1


async def test_a_failure_that_comes_again_fills_no_log(secure: Secure | None) -> None:
    """Whoever has found a bug hears 500 each time; one traceback is written for all."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with open_place(secure) as place:
        place.app.asgi_app = fail  # type: ignore[method-assign,assignment]
        with capture_logs() as lines:
            for _ in range(5):
                assert await place.say(LAST) == [500]
        assert [line["event"] for line in lines] == ["request broken"]


async def test_hundreds_at_once_are_answered_in_order(secure: Secure | None) -> None:
    """Requests that stand in line on one connection."""
    async with open_place(secure) as place:
        lines = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(500))
        assert await place.say(lines + LAST) == [200] * 501
        assert place.asked == [*map(str, range(500)), "last"]
