"""Simulated agents: they register, take builds, sleep instead of working, deliver. No processes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from bench.tiny_http import Message, open_client, serve

RESULT = "/notify_build_result"


@dataclass
class Plan:
    """What all agents of a run share, and what they have seen."""

    port: int  # of the server
    nursery: trio.Nursery
    work_s: float  # the mean of what a build takes
    dice: random.Random
    draining: bool = False  # they answer, but take no work
    taken: list[str] = field(default_factory=list)  # ids, as often as they were handed over anew
    refused: list[str] = field(default_factory=list)  # what the server did not take
    asked: int = 0  # how often any of them was asked how it is


class SimAgent:
    """One agent. `deaf`: it takes every connection and, once online, answers no `/build`.

    `silent`: it never answers anything at all.
    """

    def __init__(
        self,
        plan: Plan,
        name: str,
        slots: int,
        labels: Sequence[str] = (),
        *,
        deaf: bool = False,
        silent: bool = False,
    ) -> None:
        self.plan = plan
        self.name = name
        self.labels = labels
        self.slots = slots
        self.deaf = deaf
        self.silent = silent
        self.running: set[str] = set()
        self.delivering: set[str] = set()  # takes no slot, but is not forgotten yet
        self.port = 0

    async def start(self) -> None:
        """Listen and register."""
        self.port = await self.plan.nursery.start(serve, self._answer)
        await self.register()

    async def register(self) -> None:
        """Say where it is, and whether it drains."""
        said = {
            "host": "127.0.0.1",
            "port": self.port,
            "name": self.name,
            "slots": self.slots,
            "labels": self.labels,
            "boot_id": "1",
            "home_id": self.name,
            "protocol": 1,
            "draining": self.plan.draining,
        }
        with open_client(self.plan.port) as client:
            answer = await client.ask("POST", "/notify_agent", said)
        assert answer.status == 200, answer

    async def _answer(self, request: Message) -> tuple[int, object]:
        if self.silent:
            await trio.sleep(math.inf)
        if request.path == "/status":
            self.plan.asked += 1
            return 200, self._status()
        if request.path == "/cancel":
            return 202, {}
        if self.deaf:
            await trio.sleep(math.inf)
        id = request.json()["id"]
        if id not in self.running | self.delivering:
            if len(self.running) >= self.slots:
                return 409, {"error": {"field": None, "message": "no free slot"}}
            self.running.add(id)
            self.plan.taken.append(id)
            self.plan.nursery.start_soon(self._work, id)
        return 202, {}

    def _status(self) -> object:
        return {
            "name": self.name,
            "home_id": self.name,
            "boot_id": "1",
            "slots": self.slots,
            "attempts": [
                {"id": id, "state": "running", "log_size": 0}
                for id in self.running | self.delivering
            ],
            "load": 0.5,
            "disk_free": 10**11,
            "draining": self.plan.draining,
        }

    async def _work(self, id: str) -> None:
        duration_s = self.plan.dice.expovariate(1 / self.plan.work_s)
        await trio.sleep(duration_s)
        result = {
            "id": id,
            "status": "success",
            "reason": "exited",
            "exit_code": 0,
            "duration_s": duration_s,
            "log": f"the log of {id}\n",
            "protocol": 1,
        }
        self.running.remove(id)
        self.delivering.add(id)
        with open_client(self.plan.port) as client:
            while (answer := await client.ask("POST", RESULT, result)).status == 503:
                await trio.sleep(1)
        self.delivering.remove(id)
        if answer.status != 200:
            self.plan.refused.append(f"{id}: {answer.status}")
