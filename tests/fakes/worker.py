"""An agent that does its builds by sleeping: as many as one likes, in one process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import trio
from quart import Response, request

from tests.fakes.agent import FakeAgent
from tests.fakes.network import Network


class WorkingAgent(FakeAgent):
    """Takes builds, sleeps as long as `seconds(number)` says, and delivers a good result."""

    def __init__(
        self,
        nursery: trio.Nursery,
        network: Network,
        server: str,
        port: int,
        seconds: Callable[[int], float],
        **said: Any,
    ) -> None:
        super().__init__(network, server, port, **said)
        self.asked = 0  # how often it was asked how it is
        self._nursery = nursery
        self._seconds = seconds

    async def _build(self) -> tuple[Response, int]:
        job = json.loads(await request.get_data())
        is_new = job["id"] not in self.taken
        answer, status = await super()._build()
        if is_new and status == 202:
            self._nursery.start_soon(self._work, job["id"])
        return answer, status

    async def _status(self) -> Response:
        self.asked += 1
        return await super()._status()

    async def _work(self, id: str) -> None:
        await trio.sleep(self._seconds(int(id.split(".", maxsplit=1)[0])))
        answer = await self.finish(id)
        assert answer.status_code == 200, answer.text
