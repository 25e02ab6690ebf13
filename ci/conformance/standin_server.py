"""A stand-in server: hears agents, hands jobs over by hand of a probe, takes results as told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import trio
from quart import Response, jsonify, request
from quart_trio import QuartTrio

from ci.conformance.port import Port
from ci.errors import Rejected
from ci.model import Outcome
from ci.wire.registration import PATHS as AGENT_PATHS
from ci.wire.registration import Registration, read_registration
from ci.wire.result import EITHER_PATHS, RESULT_PATHS, Result, is_result, read_result

PREFIXES: Final = ("", "/api")
ANSWER: Final = {"ok": True, "status": "OK", "message": "OK", "agentId": "1", "id": "1"}


@dataclass(frozen=True, slots=True)
class Told:
    """A result that came."""

    result: Result
    outcome: Outcome
    size: int  # bytes of the body

    @property
    def output(self) -> bytes:
        """All output that came with it."""
        return self.result.inline_log or b""


class StandInServer:
    """A server that knows the two calls of the specification, in all their spellings."""

    def __init__(self, nursery: trio.Nursery, host: str, number: int) -> None:
        self.agents: list[Registration] = []
        self.told: list[Told] = []
        self.unreadable: list[str] = []
        self.failures = 0  # so many results are answered with 500
        self.largest = 0  # bytes of a result that is taken, 0: any
        self.is_silent = False  # results are never answered
        self.ignored: list[str] = []  # ids of those that were not
        self._news = trio.Event()
        app = QuartTrio("stand_in_server", static_folder=None)
        for prefix in PREFIXES:
            for path in (*AGENT_PATHS, *RESULT_PATHS, *EITHER_PATHS):
                known = path in RESULT_PATHS
                app.add_url_rule(
                    prefix + path,
                    endpoint=prefix + path,
                    view_func=self._take_result if known else self._take_either,
                    methods=["POST"],
                )
        self.door = Port(nursery, app, host=host, number=number)

    async def wait_agent(self, known: int, within_s: float) -> Registration | None:
        """Wait until more than `known` registrations have come; return the last."""
        with trio.move_on_after(within_s):
            while len(self.agents) <= known:
                await self._news.wait()
        return self.agents[-1] if len(self.agents) > known else None

    async def wait_result(self, id: str, within_s: float) -> Told | None:
        """Wait for the result of a job."""
        with trio.move_on_after(within_s):
            while not self.results(id):
                await self._news.wait()
        found = self.results(id)
        return found[0] if found else None

    async def wait_ignored(self, id: str, within_s: float) -> bool:
        """Wait until the result of a job has come that is not answered; say if it has."""
        with trio.move_on_after(within_s):
            while id not in self.ignored:
                await self._news.wait()
        return id in self.ignored

    def results(self, id: str) -> list[Told]:
        """All results that came for a job."""
        return [told for told in self.told if told.result.id == id]

    async def _take_either(self) -> Response:
        body = await _body()
        if is_result(body):
            return await self._take_result()
        try:
            self.agents.append(read_registration(body, request.remote_addr or ""))
        except Rejected as error:
            return self._refuse(error)
        self._tell()
        return jsonify(ANSWER)

    async def _take_result(self) -> Response:
        body = await _body()
        if self.is_silent:
            with suppress(Rejected):
                self.ignored.append(read_result(body).id)
            self._tell()
            await trio.sleep_forever()
        if self.failures > 0:
            self.failures -= 1
            return Response("out of order", 500)
        if 0 < self.largest < len(body):
            return Response("too large", 413)
        try:
            result = read_result(body)
            told = Told(result, result.outcome(), len(body))
        except Rejected as error:
            return self._refuse(error)
        self.told.append(told)
        self._tell()
        return jsonify(ANSWER)

    def _refuse(self, error: Rejected) -> Response:
        self.unreadable.append(error.message)
        self._tell()
        return Response(error.message, 400)

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()


async def _body() -> bytes:
    body: Any = await request.get_data(as_text=False)
    assert isinstance(body, bytes)  # by `as_text`
    return body
