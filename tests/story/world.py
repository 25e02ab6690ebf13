"""A world in one trio run: a server and its agents over a network without sockets.

Time is the mock clock's; the wall clock follows it. Killing a server cancels all that it does,
at once; what it had answered is in its data folder, from which the next one starts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from ci import blocking
from ci.agent.agent import Agent, open_agent
from ci.config import AgentConfig, ServerConfig
from ci.model import AgentState, Status
from ci.server.assembly import open_server
from ci.server.core import Server
from ci.server.run import create_server_app
from ci.server.views import BuildView
from tests.fakes.agent import FakeAgent
from tests.fakes.checkout import FakeCheckout
from tests.fakes.host import Host
from tests.fakes.network import Network
from tests.fakes.people import CHEAP
from tests.fakes.runner import FakeMachine, FakeRunner
from tests.story.life import Life

SERVER = "server:8080"
T = TypeVar("T")

START = datetime(2030, 1, 1, tzinfo=UTC)


class World:
    """Everything that a story needs."""

    def __init__(self, nursery: trio.Nursery, folder: Path) -> None:
        self.nursery = nursery
        self.folder = folder
        self.network = Network()
        self.free_bytes = 10**12  # on the server's disk
        self.disk_error: OSError | None = None  # what asking for that raises
        self.clock_is_ahead = timedelta(0)  # the server's
        self.checkout_s = 0.0  # how long that takes on the agents
        self.server: Server
        self.server_life: Life
        self._agents: dict[int, Life] = {}
        self._machines: dict[int, FakeMachine] = {}

    def now(self) -> datetime:
        """Tell the time of day, which follows the mock clock."""
        return START + timedelta(seconds=trio.current_time()) + self.clock_is_ahead

    async def start_server(self, **settings: Any) -> Server:
        """Start a server on the same folder as the one before."""
        config = ServerConfig.check(
            {
                "repository": "/srv/git/demo",
                "dataDir": str(self.folder / "server"),
                "hostNames": ["server"],
                "commands": "any",
            }
            | settings
        )
        self.server = await self.nursery.start(self._run_server, config)
        return self.server

    async def kill_server(self) -> None:
        """End the server in the middle of whatever it does."""
        self.server_life.die()
        await self.server_life.wait_over()

    async def _run_server(
        self, config: ServerConfig, *, task_status: trio.TaskStatus[Server]
    ) -> None:
        life = self.server_life = self._life(SERVER)
        with life.scope, blocking.inline(life.do):
            async with (
                trio.open_nursery() as handlers,
                self.network.client() as http,
                open_server(
                    config,
                    http,
                    self.now,
                    self._measure_disk,
                    hasher=CHEAP,
                    dial_external=lambda _: self.network.client(),
                ) as server,
            ):
                self.network.apps[SERVER] = Host(create_server_app(server), handlers)
                task_status.started(server)
                await trio.sleep_forever()
        life.over.set()

    def _measure_disk(self, _folder: Path) -> int:
        if self.disk_error is not None:
            raise self.disk_error
        return self.free_bytes

    def agent(self, port: int = 9001, **said: Any) -> FakeAgent:
        """Make an agent that a test drives by hand."""
        return FakeAgent(self.network, SERVER, port, **said)

    async def start_agent(self, port: int = 8081, **settings: Any) -> Agent:
        """Start a real agent on a machine without processes; its folder is kept for the next."""
        config = AgentConfig.check(
            {
                "host": "agent",
                "port": port,
                "serverHost": "server",
                "name": f"agent-{port}",
                "commands": "any",
                "dataDir": str(self.folder / f"agent-{port}"),
            }
            | settings
        )
        agent: Agent = await self.nursery.start(self._run_agent, config)
        return agent

    async def kill_agent(self, port: int = 8081) -> None:
        """End an agent as `kill -9` does: its commands go on, its folder stays."""
        life = self._agents.pop(port)
        life.die()
        await life.wait_over()

    def agent_life(self, port: int = 8081) -> Life:
        """The life of the agent at `port`."""
        return self._agents[port]

    def _life(self, address: str) -> Life:
        return Life(partial(self.network.apps.pop, address, None))

    def machine(self, port: int = 8081) -> FakeMachine:
        """The machine on which the agent at `port` runs commands."""
        return self._machines.setdefault(port, FakeMachine(self.nursery))

    async def _run_agent(self, config: AgentConfig, *, task_status: trio.TaskStatus[Agent]) -> None:
        life = self._agents[config.port] = self._life(f"agent:{config.port}")
        runner = FakeRunner(self.machine(config.port))
        with life.scope, blocking.inline(life.do):
            async with (
                trio.open_nursery() as handlers,
                open_agent(
                    config,
                    dial=self.network.client,
                    runner=runner,
                    checkout=FakeCheckout(self.checkout_s),
                ) as agent,
            ):
                self.network.apps[f"agent:{config.port}"] = Host(agent.app, handlers)
                task_status.started(agent)
                await trio.sleep_forever()
        life.over.set()

    async def submit(self, command: str = "true", **more: Any) -> int:
        """Ask for a build and return its number."""
        build = await self.server.submit(repository=None, commit="main", command=command, **more)
        return build.number

    async def wait_build(self, number: int, *statuses: Status, limit_s: float = 3600) -> BuildView:
        """Block until a build has one of the statuses; by default until it has ended."""

        async def done() -> BuildView | None:
            view = await self.server.build(number)
            reached = view.build.status in statuses if statuses else view.build.status.ended
            return view if reached else None

        return await self.wait_for(done, limit_s)

    async def wait_state(self, state: AgentState) -> None:
        """Block until some agent is in `state`."""

        async def reached() -> bool:
            return any(view.state is state for view in await self.server.agents())

        await self.wait_for(reached)

    async def wait_count(
        self, things: Sequence[object], count: int = 1, limit_s: float = 3600
    ) -> None:
        """Block until there are so many things."""

        async def enough() -> bool:
            return len(things) >= count

        await self.wait_for(enough, limit_s)

    async def log(self, number: int) -> bytes:
        """The log of a build's latest attempt."""
        view = await self.server.log(number)
        assert view.attempt is not None
        return await self.server.read_log(view.attempt, 0, 1 << 24)

    async def wait_for(
        self, condition: Callable[[], Awaitable[T | None]], limit_s: float = 3600
    ) -> T:
        """Block until an async condition gives something true, asking each tenth of a second."""
        with trio.fail_after(limit_s):
            while True:
                if found := await condition():
                    return found
                await trio.sleep(0.1)
