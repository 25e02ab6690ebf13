"""A server as others write it in the style of small frameworks for Node, on the standard library.

It speaks HTTP/1.0, wants a Content-Length, takes one request at a time, hands the next build over
before it answers the result of the last, keeps builds by numbers that it compares by type, and
names agents in plain text.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.request import Request, urlopen

ANSWER_S = 20.0
FIRST = 96  # of its numbers


class LittleCoordinator(HTTPServer):
    """Hands out `jobs`, one after the other, to the last agent that has registered."""

    def __init__(self, jobs: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.waiting = [job | {"buildId": FIRST + nth} for nth, job in enumerate(jobs)]
        self.running: Any = None  # a build's number
        self.results: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.agent = ""

    def hand_over(self) -> None:
        """Give the next build to the agent, if it has none, and wait for its answer."""
        if self.running is None and self.waiting:
            job = self.waiting.pop(0)
            self.running = job["buildId"]
            ask = Request(self.agent + "/build", json.dumps(job).encode())
            with urlopen(ask, timeout=ANSWER_S) as answer:
                answer.read()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: LittleCoordinator

    def do_POST(self) -> None:
        """Route."""
        if "Content-Length" not in self.headers:
            return self._answer(411, "how long is it?")
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.path:
            case "/api/notify-agent":
                self.server.agent = f"http://{said['host']}:{said['port']}"
                self.server.hand_over()
                return self._answer(201, "agent-17")
            case "/api/notify-build-result":
                return self._take(said)
        return self._answer(404, "Cannot POST " + self.path)

    def _take(self, said: dict[str, Any]) -> None:
        running = self.server.running
        known = type(said["buildId"]) is type(running) and said["buildId"] == running
        if not known or said["agentId"] != "agent-17":
            self.server.refused.append(str(said["buildId"]))
            return self._answer(400, "no such build")
        self.server.results.append(said)
        self.server.running = None
        self.server.hand_over()
        return self._answer(200, "<p>Thanks</p>")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""
