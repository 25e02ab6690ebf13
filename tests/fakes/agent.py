"""An agent by hand: answers /build, /cancel and /status as told, and delivers as told."""

from __future__ import annotations

import json
from typing import Any

import httpx
from quart import Response, jsonify, request
from quart_trio import QuartTrio

from tests.fakes.network import Network


class FakeAgent:
    """Takes builds and does nothing with them until a test says so."""

    def __init__(self, network: Network, server: str, port: int = 9001, **said: Any) -> None:
        self.network = network
        self.server = server
        self.address = f"agent:{port}"
        self.said: dict[str, Any] = {
            "host": "agent",
            "port": port,
            "name": f"agent-{port}",
            "slots": 1,
            "boot_id": "boot-1",
            "home_id": f"home-{port}",
            "protocol": 1,
        } | said
        self.secret = ""  # what it shows to the server
        self.seen: list[str] = []  # what the server has shown to it
        self.jobs: dict[str, dict[str, Any]] = {}  # what it has now
        self.delivering: set[str] = set()  # ended, and the server has not said that it knows
        self.taken: list[str] = []  # ids of all that it ever took
        self.canceled: list[str] = []
        self.cancels: list[dict[str, Any]] = []  # the same, as they were asked for
        self.draining = False
        self.refuses = False  # every build, whatever it says of itself
        self.problem = ""
        self.terse = False  # its status tells nothing of what it has, as those of others do
        self.app = QuartTrio("fake_agent")
        self.app.add_url_rule("/build", view_func=self._build, methods=["POST"])
        self.app.add_url_rule("/cancel", view_func=self._cancel, methods=["POST"])
        self.app.add_url_rule("/status", view_func=self._status)

    def up(self) -> None:
        """Let the network reach it."""
        self.network.apps[self.address] = self.app

    def down(self) -> None:
        """Refuse connections, as a dead process does."""
        self.network.apps.pop(self.address, None)

    async def register(self) -> dict[str, Any]:
        """Announce itself and return the server's answer."""
        self.up()
        attempts = self._attempts()
        answer = await self.post("/notify_agent", json={**self.said, "attempts": attempts})
        assert answer.status_code == 200, answer.text
        welcome: dict[str, Any] = answer.json()
        return welcome

    async def post(self, path: str, **content: Any) -> httpx.Response:
        """Send any request to the server."""
        if self.secret:
            content["headers"] = {"Authorization": f"Bearer {self.secret}"}
        async with self.network.client() as client:
            return await client.post(f"http://{self.server}{path}", **content)

    async def log(self, id: str, offset: int, data: bytes) -> httpx.Response:
        """Deliver a piece of a log."""
        return await self.post(f"/notify_build_log?id={id}&offset={offset}", content=data)

    async def finish(self, id: str, *, exit_code: int | None = 0, **more: Any) -> httpx.Response:
        """Deliver the result of an attempt, by default a good one."""
        self.jobs.pop(id, None)
        self.delivering.add(id)
        result = {
            "id": id,
            "status": "success" if exit_code == 0 else "failure",
            "reason": "exited",
            "exit_code": exit_code,
            "duration_s": 1.5,
            "protocol": 1,
        } | more
        answer = await self.post("/notify_build_result", json=result)
        self.delivering.discard(id)
        return answer

    async def _build(self) -> tuple[Response, int]:
        job = json.loads(await request.get_data())
        if job["id"] not in self.jobs:
            if self.draining or self.refuses or len(self.jobs) >= self.said["slots"]:
                return jsonify({"error": {"field": None, "message": "no free slot"}}), 409
            self.jobs[job["id"]] = job
            self.taken.append(job["id"])
        return jsonify({}), 202

    async def _cancel(self) -> tuple[Response, int]:
        asked = json.loads(await request.get_data())
        id = asked["id"]
        self.cancels.append(asked)
        self.canceled.append(id)
        if self.jobs.pop(id, None) is not None:
            self.delivering.add(id)  # until the test lets it finish
        return jsonify({}), 202

    def _attempts(self) -> list[dict[str, Any]]:
        ids = [*self.jobs, *self.delivering]
        return [{"id": id, "state": "running", "log_size": 0} for id in ids]

    async def _status(self) -> Response:
        self.seen.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if self.terse:
            return Response("I am well")
        attempts = self._attempts()
        return jsonify(
            {
                "name": self.said["name"],
                "home_id": self.said["home_id"],
                "boot_id": self.said["boot_id"],
                "slots": self.said["slots"],
                "attempts": attempts,
                "draining": self.draining,
                "problem": self.problem,
                "takes_secrets": self.said.get("takes_secrets", False),
                "no_secrets": self.said.get("no_secrets", ""),
            }
        )
