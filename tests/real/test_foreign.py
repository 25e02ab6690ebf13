"""Programs that speak only the specification's fields: one as agent, one as server."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

from tests.foreign.little_coordinator import FIRST, LittleCoordinator
from tests.real.harness import START_S, Server, Site, wait_until
from tests.real.repository import Repository


def post(url: str, body: dict[str, Any]) -> None:
    """Send JSON, as the simplest client does."""
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=START_S) as answer:
        answer.read()


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Serve on a free port in a thread and yield the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class JsonHandler(BaseHTTPRequestHandler):
    """Answers every POST with 200 and leaves what came to `take`."""

    def do_POST(self) -> None:
        """Read, answer, act."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        self.take(self.path, body)

    def take(self, path: str, body: dict[str, Any]) -> None:
        """Do something with what came."""
        raise NotImplementedError

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


def test_an_agent_by_hand(site: Site, repository: Repository) -> None:
    """It registers with host and port, runs what it is given, sends status, stdout and stderr."""
    server = site.server(repository.path)
    server.start()
    jobs: list[dict[str, Any]] = []

    class Agent(JsonHandler):
        def take(self, path: str, job: dict[str, Any]) -> None:  # noqa: ARG002 - only /build
            jobs.append(job)

            def work() -> None:
                done = subprocess.run(job["command"], shell=True, capture_output=True, text=True)  # noqa: PLW1510
                result = {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
                post(f"{server.url}/notify_build_result", {"id": job["id"], **result})

            threading.Thread(target=work).start()

    with serve(Agent) as port:
        post(f"{server.url}/notify_agent", {"host": "127.0.0.1", "port": port})
        server.wait_agents(1)
        red = server.submit("echo out; echo err >&2; exit 3")
        build = server.wait_build(red)
        assert (build["status"], build["exit_code"]) == ("failure", 3)
        assert server.log_of(red) == b"out\nerr\n"
        assert (jobs[0]["repository"], jobs[0]["commit"]) == (str(repository.path), "main")
        numbers = [server.submit("echo fine") for _ in range(5)]
        assert {server.wait_build(number)["status"] for number in numbers} == {"success"}
        assert len(jobs) == 6, "none was given twice"


def test_a_server_that_hands_over_before_it_answers(site: Site, repository: Repository) -> None:
    """And is particular about all else: each build is done once, in order, with its verdict."""
    job = {"repoUrl": str(repository.path), "commitHash": "main"}
    commands = ["echo 1", "echo 2; exit 3", "yes 'a line' | head -c 300000", "echo 4"]
    coordinator = LittleCoordinator([job | {"buildCommand": each} for each in commands])
    thread = threading.Thread(target=coordinator.serve_forever, args=(0.05,))
    thread.start()
    try:
        stand_in = Server("ci.server", {"data-dir": site.folder}, site, "unused")
        stand_in.port = coordinator.server_port
        site.agent(stand_in).start()
        wait_until(lambda: len(coordinator.results) == len(commands), "all are done")
    finally:
        coordinator.shutdown()
        thread.join()
        coordinator.server_close()
    told = coordinator.results
    assert [each["buildId"] for each in told] == [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]
    assert [each["success"] for each in told] == [True, False, True, True]
    assert len(told[2]["buildLog"]) == 300_000
    assert coordinator.refused == []


def test_a_server_by_hand(site: Site, repository: Repository) -> None:
    """It knows no log call, no token and no /status; our agent works for it all the same."""
    heard: dict[str, list[dict[str, Any]]] = {"/notify_agent": [], "/notify_build_result": []}

    class Coordinator(JsonHandler):
        def take(self, path: str, body: dict[str, Any]) -> None:
            heard[path].append(body)

        def do_POST(self) -> None:
            if self.path in heard:
                super().do_POST()
            else:
                self.send_error(404)

    with serve(Coordinator) as port:
        stand_in = Server("ci.server", {"data-dir": site.folder}, site, "unused")
        stand_in.port = port
        agent = site.agent(stand_in)
        agent.start()
        (said,) = wait_until(lambda: heard["/notify_agent"], "it registers")
        assert (said["host"], said["port"]) == ("127.0.0.1", agent.port)
        job = {
            "id": "42",
            "repository": str(repository.path),
            "commit": "main",
            "command": "echo out; sleep 1; cat README.md; exit 3",
        }
        post(f"http://127.0.0.1:{agent.port}/build", job)
        (result,) = wait_until(lambda: heard["/notify_build_result"], "it delivers")
        assert result["id"] == "42"
        assert result["status"] == "Fail"
        assert result["stdout"] == "out\nA project.\n"
        assert result["stderr"] == ""
