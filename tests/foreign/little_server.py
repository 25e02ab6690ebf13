"""A server as others would write it to the specification, with flaws that a test asks for.

It has the few calls of our API by which the conformance kit asks for builds and sees what is shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any

import httpx
import trio
from quart import Response, jsonify, request
from quart_trio import QuartTrio

REPLY_S = 4.0  # for the answer to /build
BEAT_S = 1.0  # between two looks whether agents live
SMALL = 100_000  # bytes that one without much room takes


class Flaw(StrEnum):
    """What others do wrong."""

    NEWEST_FIRST = auto()
    SMALL_BODIES = auto()
    TWO_AT_ONCE = auto()
    BREAKS_AT_NONSENSE = auto()
    BELIEVES_ALL = auto()
    ASKS_AGAIN = auto()
    FORGETS_THE_DEAD = auto()
    CANCELS_ALONE = auto()
    TAKES_REGISTRATION_FOR_FREE = auto()
    REFUSAL_IS_THE_END = auto()
    EVERYTHING_IS_GREEN = auto()
    ASCII_ONLY = auto()
    HANDS_OVER_ANYTHING = auto()


@dataclass(slots=True)
class Build:
    """A build, and who has it."""

    number: int
    status: str = "waiting"
    tries: int = 0
    log: str = ""
    agent: str | None = None

    @property
    def id(self) -> str:
        """What an agent knows it by."""
        return f"{self.number}-{self.tries}"


@dataclass(slots=True)
class LittleServer:
    """Builds in memory, oldest first, one at a time for each agent."""

    http: httpx.AsyncClient
    nursery: trio.Nursery
    flaws: frozenset[Flaw] = frozenset()
    builds: list[Build] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)

    def app(self) -> QuartTrio:
        """Make its application."""
        app = QuartTrio("little_server", static_folder=None)
        app.config["MAX_CONTENT_LENGTH"] = 64 << 20
        for path, methods, handler in (
            ("/notify-agent", ["POST"], self._register),
            ("/notify-build-result", ["POST"], self._finish),
            ("/api/builds", ["GET", "POST"], self._builds),
            ("/api/builds/<int:number>", ["GET"], self._show),
            ("/api/builds/<int:number>/log", ["GET"], self._show_log),
            ("/api/builds/<int:number>/cancel", ["POST"], self._cancel),
        ):
            app.add_url_rule(path, view_func=handler, methods=methods)
        return app

    async def serve(self) -> None:
        """Look whether agents live, for ever."""
        while True:
            await trio.sleep(BEAT_S)
            for agent in list(self.agents):
                try:
                    await self.http.get(f"{agent}/status")
                except httpx.ConnectError:
                    self._lose(agent)
            self._hand_out()

    def _lose(self, agent: str) -> None:
        self.agents.remove(agent)
        for build in self.builds:
            if build.agent == agent and Flaw.FORGETS_THE_DEAD not in self.flaws:
                build.status, build.agent = "waiting", None

    def _hand_out(self) -> None:
        waiting = [build for build in self.builds if build.status == "waiting"]
        if Flaw.NEWEST_FIRST in self.flaws:
            waiting.reverse()
        for agent in self.agents:
            running = [build for build in self.builds if build.agent == agent]
            room = 2 if Flaw.TWO_AT_ONCE in self.flaws else 1
            if waiting and len(running) < room:
                build = waiting.pop(0)
                build.status, build.agent, build.tries = "running", agent, build.tries + 1
                self.nursery.start_soon(self._hand_over, build, agent)

    async def _hand_over(self, build: Build, agent: str) -> None:
        id = build.id
        body = {"id": id, "number": build.number, "commitHash": "main", "buildCommand": "make test"}
        if Flaw.HANDS_OVER_ANYTHING in self.flaws:
            body["buildCommand"] = "make clean"
        reply = None
        try:
            with trio.move_on_after(REPLY_S):
                job = body | {"repoName": "team/tool"}
                reply = await self.http.post(f"{agent}/build", json=job)
        except httpx.HTTPError:
            return
        if build.id != id or build.status != "running":
            return
        if reply is None and Flaw.ASKS_AGAIN not in self.flaws:
            return
        if reply is None or not reply.is_success:
            is_over = reply is not None and Flaw.REFUSAL_IS_THE_END in self.flaws
            build.status, build.agent = "failure" if is_over else "waiting", None

    async def _register(self) -> Response:
        said = json.loads(await request.get_data())
        agent = f"http://{said['host']}:{said['port']}"
        if agent not in self.agents:
            self.agents.append(agent)
        elif Flaw.TAKES_REGISTRATION_FOR_FREE in self.flaws:
            for build in self.builds:
                if build.agent == agent:
                    build.status, build.agent = "waiting", None
        self._hand_out()
        return Response("registered")

    async def _finish(self) -> Response:
        body = await request.get_data(as_text=False)
        if Flaw.SMALL_BODIES in self.flaws and len(body) > SMALL:
            return Response("too large", 413)
        try:
            said = json.loads(body)
            id, success, log = said["buildId"], bool(said["success"]), said["log"]
            if Flaw.ASCII_ONLY in self.flaws:
                log = log.encode("ascii", "replace").decode()
            (build,) = [each for each in self.builds if each.id == id]
        except (ValueError, KeyError):
            broken = Flaw.BREAKS_AT_NONSENSE in self.flaws
            return Response("what is that?", 500 if broken else 400)
        if build.status != "running" and Flaw.BELIEVES_ALL not in self.flaws:
            return Response("it is over", 409)
        green = success or Flaw.EVERYTHING_IS_GREEN in self.flaws
        build.status, build.log, build.agent = "success" if green else "failure", log, None
        self._hand_out()
        return Response("")

    async def _builds(self) -> Response:
        if request.method == "GET":
            return jsonify({"builds": []})
        self.builds.append(Build(len(self.builds) + 1))
        self._hand_out()
        return jsonify({"number": len(self.builds)})

    async def _show(self, number: int) -> Response:
        return jsonify({"status": self.builds[number - 1].status})

    async def _show_log(self, number: int) -> Response:
        return Response(self.builds[number - 1].log)

    async def _cancel(self, number: int) -> Response:
        build = self.builds[number - 1]
        agent, build.agent, build.status = build.agent, None, "canceled"
        if agent is not None and Flaw.CANCELS_ALONE not in self.flaws:
            asked: dict[str, Any] = {"id": build.id}
            await self.http.post(f"{agent}/cancel", json=asked)
        return Response("")
