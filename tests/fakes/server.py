"""A server as an agent sees it: takes logs by offset and results, and can be told to fail."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import trio

from ci.wire.fields import PROTOCOL

Answer = Callable[[httpx.Request], httpx.Response]


class FakeServer(httpx.AsyncBaseTransport):
    """A transport that answers by itself. `foreign`: it knows only what the specification says."""

    def __init__(self, *, foreign: bool = False) -> None:
        self.foreign = foreign
        self.prefix = ""  # before all its paths
        self.down = False  # connections are refused
        self.silent: set[str] = set()  # paths that never answer
        self.largest = math.inf  # bytes of a result that a foreign one takes,
        self.breaks_off = False  # and whether it has no words for more
        self.slow: dict[str, float] = {}  # path → seconds before it answers
        self.answers: dict[str, list[httpx.Response]] = {}  # path → what to answer first
        self.given_up: set[str] = set()
        self.drop: set[str] = set()  # what the answer to a registration says of attempts
        self.heartbeat_s = 5.0
        self.requests: list[tuple[float, str]] = []  # when, path
        self.registrations: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.logs: dict[str, bytes] = {}

    def dial(self, url: str) -> httpx.AsyncClient:
        """Make a client."""
        return httpx.AsyncClient(transport=self, base_url=url, timeout=httpx.Timeout(None))

    def count(self, path: str) -> int:
        """How often `path` was asked."""
        return sum(asked == path for _, asked in self.requests)

    async def wait_result(self, count: int = 1) -> dict[str, Any]:
        """Wait for the `count`-th result and return it."""
        while len(self.results) < count:
            await trio.sleep(0.01)
        return self.results[count - 1]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as a server would."""
        await trio.lowlevel.checkpoint()
        body = await request.aread()
        path = request.url.path
        self.requests.append((trio.current_time(), path))
        if self.down:
            raise httpx.ConnectError("connection refused", request=request)
        if path in self.silent:
            await trio.sleep_forever()
        await trio.sleep(self.slow.get(path, 0))
        if waiting := self.answers.get(path):
            return waiting.pop(0)
        if not path.startswith(self.prefix):
            return httpx.Response(404)
        match path.removeprefix(self.prefix):
            case "/notify_agent" if not self.foreign:
                return self._welcome(json.loads(body))
            case "/notify-agent" if self.foreign:
                self.registrations.append(json.loads(body))
                return httpx.Response(200, text="OK")
            case "/notify_build_log" if not self.foreign:
                return self._take_log(request.url.params, body)
            case "/notify_build_result" if not self.foreign:
                return self._take_result(json.loads(body))
            case "/notify-build-result" if self.foreign and len(body) > self.largest:
                if self.breaks_off:
                    raise httpx.WriteError("broken pipe", request=request)
                return httpx.Response(413)
            case "/notify-build-result" if self.foreign:
                self.results.append(json.loads(body))
                return httpx.Response(200)
        return httpx.Response(404)

    def _welcome(self, registration: dict[str, Any]) -> httpx.Response:
        self.registrations.append(registration)
        verdicts = {
            attempt["id"]: "drop" if attempt["id"] in self.drop else "keep"
            for attempt in registration["attempts"]
        }
        answer = {"agent": "a", "heartbeat_s": self.heartbeat_s, "protocol": PROTOCOL}
        return httpx.Response(200, json=answer | {"attempts": verdicts})

    def _take_log(self, parameters: httpx.QueryParams, data: bytes) -> httpx.Response:
        id, offset = parameters["id"], int(parameters["offset"])
        if id in self.given_up:
            return httpx.Response(410)
        log = self.logs.get(id, b"")
        if offset > len(log):
            return httpx.Response(409, json={"size": len(log)})
        self.logs[id] = log + data[len(log) - offset :]
        return httpx.Response(200, json={"size": len(self.logs[id])})

    def _take_result(self, result: dict[str, Any]) -> httpx.Response:
        id = result["id"]
        if id in self.given_up:
            return httpx.Response(410)
        if "log" in result:
            self.logs[id] = result["log"].encode()
        log = self.logs.get(id, b"")
        if len(log) < result["log_size"]:
            return httpx.Response(409, json={"size": len(log)})
        if hashlib.sha256(log[: result["log_size"]]).hexdigest() != result["log_sha256"]:
            self.logs.pop(id, None)
            return httpx.Response(409, json={"size": 0})
        self.results.append(result)
        return httpx.Response(200)
