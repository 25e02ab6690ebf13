"""A server that is killed again and again, with its journal: the stage of the state machine.

A crash of the server is a copy of its data folder: whatever the dying server still does to the old
one is gone, as after `kill -9`. What was answered before the copy must be in it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

import httpx
import trio

from ci.config import ServerConfig
from ci.errors import RequestError
from ci.model import AgentState
from ci.server.assembly import open_server
from ci.server.core import Server
from ci.server.store.database import FILE_NAME, open_database
from ci.server.views import BuildFilter
from tests.story.hand_loop import HandLoop
from tests.story.journal import Journal, prepare
from tests.story.ledger import Ledger
from tests.story.player import LABELS, Player, Players, output

T = TypeVar("T")

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
ALL: Final = BuildFilter(limit=500)  # more than one story has


class Dead(Exception):
    """The server died before its answer was out: nobody knows what it has done."""


class Stand:
    """One story: the lives of its server, its agents, and the ledger of what has happened."""

    def __init__(self, folder: Path) -> None:
        self.loop = HandLoop()
        self.network = Players()
        self.players: list[Player] = []
        self.ledger = Ledger(LABELS)
        self.answered: set[int] = set()  # the builds that somebody was told of
        self._server: Server | None = None
        self._journal = Journal()
        self._top = folder
        self._lives = 1
        self._data.mkdir()
        (self._data / FILE_NAME).write_bytes(_empty_store())
        self.loop.do(self.start_server)

    def now(self) -> datetime:
        """Tell the time of day, which follows the mock clock."""
        return START + timedelta(seconds=self.loop.clock.current_time())

    async def start_server(self) -> None:
        """Start it on the folder that the one before has left."""
        settings = {"repository": "/srv/git/demo", "dataDir": str(self._data)}
        config = ServerConfig.check(settings)
        self._server = await self.loop.nursery.start(self._live, config)

    async def _live(self, config: ServerConfig, *, task_status: trio.TaskStatus[Server]) -> None:
        self._over = trio.Event()
        with trio.CancelScope() as self._scope:
            async with (
                httpx.AsyncClient(transport=self.network, timeout=None) as http,
                open_server(config, http, self.now) as server,
            ):
                task_status.started(server)
                await trio.sleep_forever()
        self._over.set()

    async def stop_server(self) -> None:
        """End it in order."""
        self._server = None
        self._scope.cancel()
        await self._over.wait()

    async def crash_server(self) -> None:
        """End it between two instructions."""
        old = self._data
        self._lives += 1
        shutil.copytree(old, self._data)
        await self.stop_server()
        shutil.rmtree(old)

    @property
    def _data(self) -> Path:
        return self._top / str(self._lives)

    async def ask(self, question: Callable[[Server], Awaitable[T]]) -> T:
        """Ask the server. Raises what it does, and Dead when its answer did not get out."""
        server = self._server
        if server is None:
            raise Dead
        try:
            answer = await question(server)
        except RequestError as error:
            if self._server is not server:
                raise Dead from error
            self.look()
            raise
        if self._server is not server:
            raise Dead
        self.look()
        return answer

    def look(self) -> None:
        """Follow what was committed. Raises AssertionError where that breaks a promise."""
        self.ledger.read(self._journal.news(self._data))

    async def check(self) -> None:
        """Compare what the server says with the ledger."""
        assert self._server is not None
        assert self.answered <= self.ledger.builds.keys(), "a build that was answered is not there"
        builds = (await self._server.builds(ALL)).builds
        self.look()  # at once: the next await may let others go on
        said = {build.number: build.status for build in builds}
        assert said == {number: build.status for number, build in self.ledger.builds.items()}
        views = await self._server.views(builds)
        self.look()
        places = {v.build.number: v.queue_position for v in views if v.queue_position is not None}
        line = {number: place for place, number in enumerate(self.ledger.line, 1)}
        assert places.items() <= line.items()

    async def check_logs(self) -> None:
        """Compare every log with what was printed."""
        assert self._server is not None
        for id in self.ledger.attempts:
            size = (await self._server.log(int(id.split(".")[0]), id)).size
            assert await self._server.read_log(id, 0, size + 1) == output(id, size)

    async def slots(self) -> int:
        """Count the slots of all agents that are there and known, busy or not."""
        assert self._server is not None
        there = {(player.name, player.port) for player in self.network.at.values()}
        return sum(
            view.agent.slots
            for view in await self._server.agents()
            if view.state is AgentState.ONLINE and (view.agent.name, view.agent.port) in there
        )


@cache
def _empty_store() -> bytes:
    """A store with nothing in it but a journal; made once, because migrations take their time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_database(folder).close()
        prepare(folder)
        return (folder / FILE_NAME).read_bytes()
