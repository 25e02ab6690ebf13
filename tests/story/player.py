"""An agent that is played, answering without a web framework: quick enough for long stories.

It is honest in what it says of its attempts, and may be made deaf, dead, forgetful or slow.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from typing import Any, Final

import httpx
import trio

HOST: Final = "agent"
# What the agents of the stories can do. A name stands for that, whoever has it at a time.
LABELS: Final = {"one": ("linux",), "two": ("gpu", "linux"), "three": ()}
SLOW_S: Final = 7.0  # longer than the server waits for an answer

# How it may treat a /build. "lose" and "take, lose": the connection breaks, before and after.
TREATMENTS: Final = ("take", "lose", "take, lose", "slow", "409", "422", "503")


def output(id: str, size: int) -> bytes:
    """What the command of an attempt prints: not the same for any two of them."""
    line = hashlib.sha256(id.encode()).hexdigest().encode() + b"\n"
    return (line * (size // len(line) + 1))[:size]


class Player:
    """One life of an agent. What it runs: `jobs`; what has ended and is not delivered: `owed`."""

    def __init__(self, name: str, port: int, slots: int, home: str) -> None:
        self.name = name
        self.labels = LABELS.get(name, ())
        self.port = port
        self.slots = slots
        self.home = home
        self.boot = 1
        self.draining = False
        self.registered = False
        self.reach = "up"  # or "down": refused; or "cut": no answer ever
        self.ending_s = 0.0  # how long a canceled command takes to be gone
        self.treatments: deque[str] = deque()  # of the next builds; then "take"
        self.jobs: set[str] = set()
        self.owed: dict[str, dict[str, Any]] = {}  # id → its result
        self.ending: dict[str, float] = {}  # id → when it is gone
        self.done: set[str] = set()  # never begun again
        self.printed: dict[str, int] = {}  # id → bytes of log

    def __repr__(self) -> str:
        """Be short where a story is printed."""
        return f"{self.name}:{self.port}"

    @property
    def ids(self) -> list[str]:
        """All that it still has, in whatever state."""
        now = trio.current_time()
        self.ending = {id: at for id, at in self.ending.items() if at > now}
        return list(dict.fromkeys([*sorted(self.jobs), *self.owed, *self.ending]))

    def registration(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "host": HOST,
            "port": self.port,
            "name": self.name,
            "slots": self.slots,
            "labels": self.labels,
            "boot_id": str(self.boot),
            "home_id": self.home,
            "protocol": 1,
            "draining": self.draining,
            "attempts": [{"id": id} for id in self.ids],
        }

    def drop(self, id: str) -> None:
        """End an attempt and forget it; it may take its time."""
        self.owed.pop(id, None)
        self.done.add(id)
        if id in self.jobs:
            self.jobs.remove(id)
            self.ending[id] = trio.current_time() + self.ending_s

    def cancel(self, id: str) -> None:
        """End an attempt; what it printed, and that it is over, is to be delivered."""
        if id in self.jobs:
            self.end(id, {"status": "error", "reason": "canceled", "exit_code": None})
            self.ending[id] = trio.current_time() + self.ending_s

    def end(self, id: str, result: dict[str, Any]) -> None:
        """Let a command end; its slot is free, its result is to be delivered."""
        self.jobs.remove(id)
        self.done.add(id)
        self.owed[id] = result

    def forget(self) -> None:
        """Lose all that it knew, as with its disk; nothing runs any more."""
        self.jobs.clear()
        self.owed.clear()
        self.ending.clear()
        self.done.clear()

    async def answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        """Do what the server asks."""
        match request.url.path:
            case "/status":
                return httpx.Response(200, json=self.registration())
            case "/cancel":
                self.cancel(json.loads(body)["id"])
                return httpx.Response(202)
            case "/build":
                return await self._build(json.loads(body)["id"], request)
        return httpx.Response(404)

    async def _build(self, id: str, request: httpx.Request) -> httpx.Response:
        if id in self.ids or id in self.done:
            return httpx.Response(202)
        if self.draining or len(self.jobs) + len(self.ending) >= self.slots:
            return httpx.Response(409)
        treatment = self.treatments.popleft() if self.treatments else "take"
        if treatment in ("take", "take, lose", "slow"):
            self.jobs.add(id)
        if treatment == "slow":
            await trio.sleep(SLOW_S)
        if treatment.endswith("lose"):
            raise httpx.ReadError("connection reset", request=request)
        return httpx.Response(int(treatment) if treatment.isdigit() else 202)


class Players(httpx.AsyncBaseTransport):
    """The network in which a server finds agents by their port."""

    def __init__(self) -> None:
        self.at: dict[int, Player] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer by who is there, or fail as a network does."""
        await trio.lowlevel.checkpoint()
        body = await request.aread()
        player = self.at.get(request.url.port or 0)
        if player is None or player.reach == "down":
            raise httpx.ConnectError("connection refused", request=request)
        if player.reach == "cut":
            await trio.sleep_forever()
        return await player.answer(request, body)
