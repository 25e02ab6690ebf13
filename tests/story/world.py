"""A world in one trio run: a server and its agents over a network without sockets.

Time is the mock clock's; the wall clock follows it. Killing a server cancels all that it does,
at once; what it had answered is in its data folder, from which the next one starts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trio

from ci.config import ServerConfig
from ci.model import Status
from ci.server.core import Server, open_server
from ci.server.run import create_server_app
from ci.server.views import BuildView
from tests.fakes.agent import FakeAgent
from tests.fakes.network import Network

SERVER = "server:8080"
START = datetime(2030, 1, 1, tzinfo=UTC)


class World:
    """Everything that a story needs."""

    def __init__(self, nursery: trio.Nursery, folder: Path) -> None:
        self.nursery = nursery
        self.folder = folder
        self.network = Network()
        self.server: Server
        self._server_scope: trio.CancelScope | None = None
        self._stopped = trio.Event()

    def now(self) -> datetime:
        return START + timedelta(seconds=trio.current_time())

    async def start_server(self, **settings: Any) -> Server:
        """Start a server on the same folder as the one before."""
        config = ServerConfig.check(
            {"repository": "/srv/git/demo", "dataDir": str(self.folder / "server")} | settings
        )
        self.server = await self.nursery.start(self._run_server, config)
        return self.server

    async def kill_server(self) -> None:
        """End the server in the middle of whatever it does."""
        assert self._server_scope is not None
        self.network.apps.pop(SERVER, None)
        self._server_scope.cancel()
        await self._stopped.wait()

    async def _run_server(
        self, config: ServerConfig, *, task_status: trio.TaskStatus[Server]
    ) -> None:
        self._stopped = trio.Event()
        with trio.CancelScope() as self._server_scope:
            async with (
                self.network.client() as http,
                open_server(config, http, self.now) as server,
            ):
                self.network.apps[SERVER] = create_server_app(server)
                task_status.started(server)
                await trio.sleep_forever()
        self._stopped.set()

    def agent(self, port: int = 9001, **said: Any) -> FakeAgent:
        """Make an agent that a test drives by hand."""
        return FakeAgent(self.network, SERVER, port, **said)

    async def submit(self, command: str = "true", **more: Any) -> int:
        """Ask for a build and return its number."""
        build = await self.server.submit(repository=None, commit="main", command=command, **more)
        return build.number

    async def wait_build(self, number: int, *statuses: Status) -> BuildView:
        """Block until a build has one of the statuses; by default until it has ended."""

        async def done() -> BuildView | None:
            view = await self.server.build(number)
            reached = view.build.status in statuses if statuses else view.build.status.ended
            return view if reached else None

        return await self.wait_for(done)

    async def wait_for(self, condition: Callable[[], Any], limit_s: float = 3600) -> Any:
        """Block until an async condition gives something true, asking each tenth of a second."""
        with trio.fail_after(limit_s):
            while not (found := await condition()):
                await trio.sleep(0.1)
        return found
