"""What a real agent is tested with: a hand-written server that keeps what it is sent."""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.real.harness import Program
from tests.real.repository import Repository


class Server(ThreadingHTTPServer):
    """A hand-written server: keeps logs and results."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.logs: dict[str, bytes] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.down = False  # answers 503 to everything


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Answer what agents ask."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.down:
            self._answer(503, b"")
        else:
            self._answer(*self._take(body))

    def _take(self, body: bytes) -> tuple[int, bytes]:
        url = urlsplit(self.path)
        status, answer = 200, b'{"agent": "a", "protocol": 1, "heartbeat_s": 60}'
        if url.path == "/notify_build_log":
            query = {key: value[0] for key, value in parse_qs(url.query).items()}
            log = self.server.logs.setdefault(query["id"], b"")
            offset = int(query["offset"])
            if offset <= len(log):
                self.server.logs[query["id"]] = log = log + body[len(log) - offset :]
            else:
                status = 409
            answer = b'{"size": %d}' % len(log)
        elif url.path == "/notify_build_result":
            result = httpx.Response(200, content=body).json()
            if "log" in result:
                self.server.logs[result["id"]] = result["log"].encode()
            log = self.server.logs.get(result["id"], b"")[: result["log_size"]]
            if hashlib.sha256(log).hexdigest() == result["log_sha256"]:
                self.server.results[result["id"]] = result
            else:
                self.server.logs.pop(result["id"], None)
                status, answer = 409, b'{"size": 0}'
        return status, answer

    def _answer(self, status: int, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def build(
    agent: Program, repository: Repository, command: str, id: str = "1.1.1", **more: Any
) -> int:
    """Ask for a build and return the status of the answer."""
    body = {
        "id": id,
        "protocol": 1,
        "repository": str(repository.path),
        "commit": "main",
        "command": command,
        **more,
    }
    return agent.site.http.post(f"{agent.url}/build", json=body).status_code
