"""The stand-in for the storage API within a story, with all the ways in which a call may fail."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from quart import Response

from ci import blocking
from ci.origin import Phase, Report
from ci.server.store import external
from ci.storage_api.app import create_app
from ci.storage_api.chaos import Chaos
from ci.storage_api.store import (
    Configuration,
    Request,
    Storage,
    StoredBuild,
    open_storage,
)
from tests.fakes.host import Host
from tests.story.world import World

ADDRESS: Final = "storage:8090"
TOKEN: Final = "t-0k3n"
COMMAND: Final = "echo one; sleep 3; echo two"
RED: Final = "echo no; exit 3"
SETTINGS: Final = {
    "apiBaseUrl": f"http://{ADDRESS}/api/",
    "apiToken": f"Bearer {TOKEN}",
    "apiInsecure": True,
}

# How a call may fail: before the change was made or after it, with which answer.
FAILURES: Final = {
    "500": (500, {}, b""),
    "400": (400, {}, b'{"title": "no", "errors": {}}'),
    "413": (413, {}, b""),
    "401": (401, {"WWW-Authenticate": "Bearer"}, b""),
    "429": (429, {"Retry-After": "90"}, b"slowly"),
    "503": (503, {}, b"<html>later</html>"),
    "html": (200, {"Content-Type": "text/html"}, b"<html>please log in</html>"),
    "half": (200, {}, b'{"data": [{"id": "'),
}


_SECONDS: Final = re.compile(rb"(:\d\d)\.\d+Z")


class Stand:
    """The stand-in at work; `failures` of the next calls of a path, such as "500 after"."""

    def __init__(self, world: World, storage: Storage) -> None:
        self.world = world
        self.storage = storage
        self.failures: defaultdict[str, deque[str]] = defaultdict(deque)
        self.broken: dict[str, str] = {}  # an id → how each finish of it fails
        self.unreadable: set[str] = set()  # ids whose details are none
        self.most_bytes: int | None = None  # of a finish; more is answered with a 413, or …
        self.too_large = "413"
        self.keeps_seconds = False  # whole ones, of a start
        self.done: Counter[tuple[str, str]] = Counter()  # changes that were made: path and id
        self.asked: list[tuple[float, str]] = []  # when, and what
        self.knows_offset = True
        self.host: Any = None

    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        """Answer a call, or fail."""
        path = scope["path"].removeprefix("/api/")
        body = (await receive()).get("body", b"")
        self.asked.append((trio.current_time(), path))
        id = json.loads(body)["buildId"] if body else ""
        failure = self.failures[path].popleft() if self.failures[path] else None
        if path == "build/finish":
            failure = failure or self.broken.get(id)
            if self.most_bytes is not None and len(body) > self.most_bytes:
                failure = f"{self.too_large} before"
        if any(f"buildId={id}".encode() in scope["query_string"] for id in self.unreadable):
            failure = "half before"
        if path == "build/start" and self.keeps_seconds:
            body = _SECONDS.sub(rb"\1Z", body)
        kind, _, when = (failure or "").partition(" ")
        if failure and when == "before":
            await _answer(send, *FAILURES[kind])
            return
        said: list[dict[str, Any]] = []
        rest = [{"type": "http.request", "body": body, "more_body": False}]

        async def read() -> dict[str, Any]:
            if not rest:
                await trio.sleep_forever()  # until who asks has gone
            return rest.pop()

        async def keep(event: dict[str, Any]) -> None:
            said.append(event)

        if not self.knows_offset:
            scope["query_string"] = b""
        await app(scope, read, keep)
        if said[0]["status"] == 200 and body:
            self.done[path, id] += 1
        if failure:
            await _answer(send, *FAILURES[kind])
            return
        for event in said:
            await send(event)

    def go(self) -> None:
        """Be away, as when refused."""
        self.world.network.apps.pop(ADDRESS, None)

    def come(self) -> None:
        """Be there again."""
        self.world.network.apps[ADDRESS] = self.host

    def configure(self, repository: str = "owner/name", command: str = COMMAND) -> None:
        """Say what is built."""
        self.storage.configure(Configuration(repository, command, "main", 0))

    def request(self, commit: str = "main") -> str:
        """Ask for a build; return its id."""
        return self.storage.request(Request("Fix it", commit, "topic", "Ada")).id

    def build(self, id: str) -> StoredBuild:
        """How a build stands."""
        return self.storage.build(id)

    async def wait_status(self, id: str, *statuses: str, limit_s: float = 3600) -> StoredBuild:
        """Block until a build has one of the statuses."""

        async def reached() -> StoredBuild | None:
            build = self.build(id)
            return build if build.status in statuses else None

        return await self.world.wait_for(reached, limit_s)

    async def wait_over(self, *ids: str, limit_s: float = 3600) -> list[str]:
        """Block until builds have ended there; return how."""
        ends = ("Success", "Fail", "Canceled")
        return [(await self.wait_status(id, *ends, limit_s=limit_s)).status for id in ids]

    async def report(self, id: str) -> Report | None:
        """What our server has noted of a build."""
        return await self.world.server._store.ask(lambda c: external.get(c, id))

    async def wait_taken(self, id: str) -> int:
        """Block until a build was taken; return our number."""
        report = await self.world.wait_for(lambda: self.report(id))
        return report.build

    async def wait_told(self, *ids: str) -> list[str]:
        """Block until nothing is left to be told of builds; return what was noted of each."""

        async def over(id: str) -> Report | None:
            report = await self.report(id)
            return report if report is not None and report.phase is Phase.OVER else None

        return [(await self.world.wait_for(partial(over, id))).note for id in ids]


async def _answer(send: Any, status: int, headers: dict[str, str], body: bytes) -> None:
    response = Response(body, status, headers)
    lines = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body, "more_body": False})


@asynccontextmanager
async def open_stand(world: World, folder: Path) -> AsyncIterator[Stand]:
    """Have a storage API in a story, which is configured."""
    with blocking.inline(), open_storage(folder / "storage") as storage:
        stand = Stand(world, storage)
        async with trio.open_nursery() as handlers:
            app = partial(stand.call, create_app(storage, TOKEN, Chaos()))
            stand.host = Host(app, handlers)
            stand.come()
            stand.configure()
            yield stand
            handlers.cancel_scope.cancel()
