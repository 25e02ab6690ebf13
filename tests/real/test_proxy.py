"""The torture run's bad connection does to requests what it says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from tests.real.harness import START_S, wait_until
from tests.torture.proxy import FAIR, Proxy, Weather, open_proxy

SILENT_S = 0.3  # how long a client waits here before it gives up


class Target(ThreadingHTTPServer):
    """A server that remembers what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                target.bodies.append(body)
                answer = b"answer %d to %s" % (len(target.bodies), body)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def target() -> Iterator[Target]:
    """A server behind the proxy."""
    with Target() as target:
        thread = Thread(target=target.serve_forever, args=(0.05,))
        thread.start()
        yield target
        target.shutdown()
        thread.join()


@pytest.fixture
def proxy(target: Target) -> Iterator[Proxy]:
    """A connection to it."""
    with open_proxy(("127.0.0.2", 0), ("127.0.0.1", target.server_port)) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[httpx.Client]:
    """A client that keeps its connection."""
    url = f"http://{proxy.host}:{proxy.port}"
    with httpx.Client(base_url=url, trust_env=False, timeout=START_S) as client:
        yield client


def test_a_fair_connection(target: Target, client: httpx.Client) -> None:
    """One request after the other arrives once, and is answered."""
    answers = [client.post("/", content=body).text for body in (b"a", b"b" * 100_000)]
    assert answers[0] == "answer 1 to a"
    assert len(answers[1]) > 100_000
    assert len(target.bodies) == 2


def test_an_answer_is_lost_after_the_request_was_handled(
    target: Target, proxy: Proxy, client: httpx.Client
) -> None:
    """The server knows of it, the client does not."""
    proxy.weather = Weather(lose=1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/", content=b"a")
    assert target.bodies == [b"a"]
    assert proxy.counts["answers lost"] == 1


def test_a_request_is_sent_twice(target: Target, proxy: Proxy, client: httpx.Client) -> None:
    """The client hears one answer."""
    proxy.weather = Weather(twice=1)
    assert client.post("/", content=b"a").text == "answer 2 to a"
    assert target.bodies == [b"a", b"a"]


def test_a_request_comes_again_later(target: Target, proxy: Proxy, client: httpx.Client) -> None:
    """When its answer was read long ago."""
    proxy.weather = Weather(later=1)
    assert client.post("/", content=b"a").text == "answer 1 to a"
    wait_until(lambda: target.bodies, "it came again", until=lambda bodies: len(bodies) == 2)


def test_half_open(target: Target, proxy: Proxy, client: httpx.Client) -> None:
    """A connection can be made, takes everything, and never says anything."""
    proxy.weather = Weather(silent=True)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/", content=b"a", timeout=SILENT_S)
    assert target.bodies == []


def test_cut(target: Target, proxy: Proxy, client: httpx.Client) -> None:
    """What is open ends, nothing new gets through, and then all is well again."""
    assert client.post("/", content=b"a").text == "answer 1 to a"
    proxy.weather = Weather(cut=True)
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            client.post("/", content=b"b")
    proxy.weather = FAIR
    assert client.post("/", content=b"c").text == "answer 2 to c"
    assert target.bodies == [b"a", b"c"]


def test_a_target_that_is_down(proxy: Proxy, client: httpx.Client, target: Target) -> None:
    """The client's connection ends; the proxy lives on."""
    target.server_close()
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/", content=b"a")
    assert proxy.counts["requests"] == 1
