"""SIGTERM in the middle of everything: the server stops in order, and nothing is lost."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any, Final

import httpx
import pytest

from ci.server.check import check_folder
from tests.real.harness import START_S, Server, Site, wait_until
from tests.real.repository import Repository

SUBMITTERS: Final = 50
ANSWERED: Final = 300  # builds before the signal
LOG_BYTES: Final = 24_000_000  # more than all the buffers on the way to a reader who does not read
LONG: Final = f"head -c {LOG_BYTES} /dev/zero; sleep 600"
# Requests that are never finished, and answers that are never read.
HANGING: Final = {
    "says nothing": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: 127",
    "half a body": b"POST /api/builds HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{",
    "half a log": b"POST /notify_build_log?id=1.1.1&offset=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: 99999\r\n\r\nx",
    "reads no log": b"GET /build/1/log HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "reads no page": b"GET /build/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50,
}
EACH: Final = 5  # connections of each kind


class Submitters:
    """Many who ask for builds as fast as they can, until nobody answers any more."""

    def __init__(self, server: Server, pool: ThreadPoolExecutor) -> None:
        self.answered: list[int] = []
        self.strange: list[str] = []  # answers that are neither a build nor a clear no
        self._over = threading.Event()
        self._server = server
        self._ends = [pool.submit(self._submit) for _ in range(SUBMITTERS)]

    def _submit(self) -> None:
        with httpx.Client(base_url=self._server.url, trust_env=False, timeout=START_S) as http:
            while not self._over.is_set():
                try:
                    answer = http.post("/api/builds", json={"commit": "main", "command": "true"})
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    self.answered.append(answer.json()["number"])
                elif answer.status_code != 503:
                    self.strange.append(answer.text)

    def end(self) -> None:
        """Let them end, and wait until they have."""
        self._over.set()
        for each in self._ends:
            each.result()


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """A server with an agent that runs a build with a long log."""
    server = site.server(repository.path)
    server.start()
    site.agent(server).start()
    server.wait_agents(1)
    number = server.submit(LONG)
    wait_until(
        lambda: server.build(number)["log_size"], "a long log", until=lambda s: s == LOG_BYTES
    )
    return server


@pytest.fixture
def hanging(server: Server) -> Iterator[None]:
    """Clients that hang, each in its own way, and an agent that takes calls and never answers."""
    with ExitStack() as stack:
        deaf = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=64)))
        said = {"host": "127.0.0.1", "port": deaf.getsockname()[1], "name": "deaf", "protocol": 1}
        assert server.post("/notify_agent", said).status_code == 200
        for request in HANGING.values():
            for _ in range(EACH):
                client = socket.create_connection(("127.0.0.1", server.port))
                stack.enter_context(closing(client)).sendall(request)
        yield


def _all_builds(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    before: int | None = None
    while True:
        more = {} if before is None else {"before": before}
        page = server.get("/api/builds", limit=500, **more).json()
        found += page["builds"]
        before = page["next"]
        if before is None:
            return found


def test_a_stop_under_load_loses_nothing(server: Server, hanging: None) -> None:
    """It ends by itself, soon; every build that was answered is there at the next start."""
    with ThreadPoolExecutor(SUBMITTERS) as pool:
        submitters = Submitters(server, pool)
        wait_until(lambda: len(submitters.answered) >= ANSWERED, "builds are accepted")
        began = time.monotonic()
        code = server.stop()
        print(f"stopped after {time.monotonic() - began:.2f} s")  # noqa: T201 - shown by -s
        submitters.end()
    assert code == 0, server.words
    assert submitters.strange == []
    assert check_folder(server.data) == 0

    server.start()
    builds = {build["number"]: build for build in _all_builds(server)}
    assert set(submitters.answered) <= set(builds)
    assert len(set(submitters.answered)) == len(submitters.answered)
    assert builds[1]["status"] == "running"
    assert all(build["status"] == "waiting" for number, build in builds.items() if number > 1)
    server.wait_agents(1)
    server.post("/api/builds/1/cancel")
    server.wait_build(2, "success")
