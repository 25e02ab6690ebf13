"""TLS on a real socket: what it must not change, who is refused, and whom both ends believe."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import pytest
import trio
from quart import request
from quart_trio import QuartTrio
from structlog.testing import capture_logs

from ci.limits import Limits
from ci.listen import open_listener
from ci.serve import serve_app
from tests.real.harness import Site, wait_until
from tests.real.repository import Repository
from tests.real.secure import HalfClosed, Secure, connect, make_secure

LIMIT_S: Final = 60.0  # on a machine that has much to do
MB: Final = 1 << 20
PATIENT: Final = Limits(connections=10, client_s=LIMIT_S, body_bytes=8 * MB)
HASTY: Final = Limits(connections=10, client_s=0.3, body_bytes=MB)
GET: Final = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LAST: Final = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
OLD: Final = b"GET /large HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Secure:
    """Make a certificate."""
    return make_secure(tmp_path_factory.mktemp("secure"))


async def _scheme() -> str:
    return request.scheme


async def _large() -> bytes:
    return b"x" * 4 * MB


@asynccontextmanager
async def open_port(secure: Secure, limits: Limits = PATIENT) -> AsyncIterator[int]:
    """Serve by TLS until the test is over; nothing may be said of it in the log."""
    app, stop = QuartTrio(__name__), trio.Event()
    app.add_url_rule("/", "scheme", _scheme)
    app.add_url_rule("/large", "large", _large)
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    serve = partial(serve_app, tls=secure.serving)
    with capture_logs() as lines, trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, app, listener, limits, stop)
            yield port
            stop.set()
    assert lines == []


async def read_all(client: trio.abc.Stream) -> bytes:
    """Read until the server has said its last word."""
    answer = b""
    async with client:
        while piece := await client.receive_some():
            answer += piece
    return answer


async def test_the_app_is_told_that_it_is_https(secure: Secure) -> None:
    """So that its cookies are for TLS only; by HTTP/1.1, as both sides agree."""
    client = httpx.AsyncClient(verify=secure.trusting, trust_env=False)
    async with open_port(secure) as port, client:
        for _ in range(2):
            answer = await client.get(f"https://127.0.0.1:{port}/")
            assert (answer.text, answer.http_version) == ("https", "HTTP/1.1")


async def test_many_requests_in_line_and_a_large_answer(secure: Secure) -> None:
    """All are answered, in order, and then comes the last word: trio's client insists on it."""
    async with open_port(secure) as port:
        client = await connect(port, secure.trusting)
        await client.send_all(GET * 50 + LAST)
        assert (await read_all(client)).count(b"\r\n\r\nhttps") == 51
        client = await connect(port, secure.trusting)
        await client.send_all(OLD)
        assert (await read_all(client)).endswith(b"\r\n\r\n" + b"x" * 4 * MB)


@pytest.mark.parametrize("words", [GET + LAST, OLD])
async def test_who_says_no_more_has_his_answer(secure: Secure, words: bytes) -> None:
    """His last word ends the requests, not the answers."""
    async with open_port(secure) as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        answer = await HalfClosed(stream, secure.trusting).ask(words)
        assert answer.endswith((b"https", b"x" * 4 * MB))


async def test_who_speaks_plain_http_is_told(secure: Secure) -> None:
    """A person who wrote http:// sees what to do."""
    async with open_port(secure) as port, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/")
        assert (answer.status_code, "https://" in answer.text) == (400, True)


@pytest.mark.parametrize("words", [b"", b"\x16\x03\x01", b"SSH-2.0-x\r\n", b"\x16" * 70_000])
async def test_junk_and_silence_end_in_time(secure: Secure, words: bytes) -> None:
    """Nobody holds a connection without a handshake for longer than any client may wait."""
    async with open_port(secure, HASTY) as port:
        client = await trio.open_tcp_stream("127.0.0.1", port)
        async with client:
            with suppress(trio.BrokenResourceError):  # reset, for the junk that was not read
                await client.send_all(words)
                while await client.receive_some():
                    pass  # an alert


async def test_who_does_not_believe_us_ends_alone(secure: Secure, tmp_path: Path) -> None:
    """A client that expects another certificate gets no answer, and others get theirs."""
    other = make_secure(tmp_path)
    async with open_port(secure) as port:
        client = await connect(port, other.trusting)
        with pytest.raises(trio.BrokenResourceError):
            await client.send_all(GET)
        await trio.aclose_forcefully(client)
        client = await connect(port, secure.trusting)
        await client.send_all(LAST)
        assert b"200" in await read_all(client)


def test_a_build_by_tls_both_ways(site: Site, repository: Repository, tmp_path: Path) -> None:
    """Each end believes the other's certificate and no other; whoever answers instead is nobody."""
    ours, theirs, false = (make_secure(tmp_path, name) for name in ("server", "agent", "false"))
    pem = {"certificate": ours.certificate, "certificate_key": ours.key}
    server = site.server(repository.path, **pem, heartbeat_seconds=0.3)
    server.start()
    agent = site.agent(
        server,
        server_certificate=ours.certificate,
        certificate=theirs.certificate,
        certificate_key=theirs.key,
    )
    agent.start()
    assert f"url=https://127.0.0.1:{agent.port}" in agent.words
    number = server.submit("echo by TLS")
    assert server.wait_build(number)["status"] == "success"
    assert server.log_of(number) == b"by TLS\n"
    (known,) = server.get("/api/agents").json()["agents"]
    assert known["tls"]

    # In the place of the agent there is somebody with another certificate.
    agent.stop()
    server.wait_agents(1, "lost")
    agent.flags |= {
        "certificate": false.certificate,
        "certificate-key": false.key,
        "server-certificate": false.certificate,
    }
    agent.start()
    words = "certificate is not one that is believed"
    wait_until(lambda: words in agent.words, "the agent refuses the server")
    server.wait_agents(1, "lost")
    agent.stop()

    # A server that was restarted remembers whom it believes.
    server.stop()
    server.start()
    agent.flags |= {
        "certificate": theirs.certificate,
        "certificate-key": theirs.key,
        "server-certificate": ours.certificate,
    }
    agent.start()
    server.wait_agents(1)


def test_an_impostor_at_the_agents_address_is_lost(
    site: Site, repository: Repository, tmp_path: Path
) -> None:
    """He has the agent's name and folder, but not its key."""
    theirs, false = (make_secure(tmp_path, name) for name in ("agent", "false"))
    server = site.server(repository.path, heartbeat_seconds=0.3)
    server.start()
    agent = site.agent(server, certificate=theirs.certificate, certificate_key=theirs.key)
    agent.start()
    server.wait_agents(1)
    agent.kill()
    server.wait_agents(1, "lost")
    with socket.create_server(("127.0.0.1", 0)) as nowhere:  # he does not register
        agent.flags |= {
            "certificate": false.certificate,
            "certificate-key": false.key,
            "server-port": nowhere.getsockname()[1],
        }
        agent.start()
        look = partial(server.get, "/api/agents")
        said = wait_until(
            lambda: look().json()["agents"][0]["problem"],
            "the server refuses the agent",
            until=lambda problem: "certificate is not one that is believed" in str(problem),
        )
        assert "https://" in said
