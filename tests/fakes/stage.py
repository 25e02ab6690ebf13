"""A stage for one agent without processes, git and sockets, all in one trio run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import trio

from ci.agent.agent import Agent, open_agent
from ci.config import AgentConfig
from tests.fakes.asgi import AppTransport
from tests.fakes.checkout import FakeCheckout
from tests.fakes.runner import FakeMachine, FakeRunner
from tests.fakes.server import FakeServer


class Stage:
    """A machine, a server and the lives of one agent."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self.folder = folder
        self.machine = FakeMachine(nursery)
        self.checkout = FakeCheckout()
        self.server = FakeServer()
        self.settings: dict[str, Any] = {"dataDir": str(folder), "slots": 2}

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[tuple[Agent, httpx.AsyncClient]]:
        """Live one life of the agent; its end is like SIGKILL."""
        config = AgentConfig.check(self.settings)
        async with open_agent(
            config,
            dial=self.server.dial,
            runner=FakeRunner(self.machine),
            checkout=self.checkout,
        ) as agent:
            transport = AppTransport(cast("Any", agent.app))
            url = f"http://{config.host}:{config.port}"
            async with httpx.AsyncClient(transport=transport, base_url=url) as http:
                yield agent, http

    def know(self) -> None:
        """Let the data folder be an agent's already, before its first life here."""
        (self.folder / "home_id").write_text("known")

    @property
    def kept(self) -> list[str]:
        """The folders in the spool and among the workspaces."""
        return [
            f"{name}/{path.name}"
            for name in ("spool", "work")
            for path in sorted((self.folder / name).glob("*"))
        ]


def job(id: str = "1.1.1", command: str = "echo hello", **more: Any) -> dict[str, Any]:
    """Make the body of `/build`."""
    return {
        "id": id,
        "repository": "/srv/git/demo",
        "commit": "main",
        "command": command,
        "protocol": 1,
        **more,
    }
