"""A port at which a stand-in is reached, and which can be closed as if the program had died."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio
from quart_trio import QuartTrio

from ci import blocking
from ci.limits import make_limits
from ci.listen import open_listener
from ci.serve import serve_app

MAX_BODY = 64 << 20  # bytes; far more than any probe lets anybody send
CONNECTIONS = 100  # nobody but the one program calls
CLIENT_S = 60.0  # for a request's head and body


class Door(Protocol):
    """Where a stand-in is reached."""

    host: str
    number: int

    async def open(self) -> None:
        """Let callers in."""

    async def close(self) -> None:
        """Be there no more."""


MakeDoor = Callable[[QuartTrio], Door]


class Port:
    """Where `app` is served; each time at the same number. `nursery` has its tasks."""

    def __init__(
        self, nursery: trio.Nursery, app: QuartTrio, *, host: str, number: int = 0
    ) -> None:
        self._nursery = nursery
        self._app = app
        self.host = host
        self.number = number
        self._serving = trio.CancelScope()
        self._closed = trio.Event()
        app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
        app.config["BODY_TIMEOUT"] = CLIENT_S

    async def open(self) -> None:
        """Listen. Raises ConfigError when that can't be."""
        listener = await blocking.run(open_listener, self.host, self.number)
        self.number = listener.getsockname()[1]
        self._serving, self._closed = trio.CancelScope(), trio.Event()

        async def serve(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            limits = make_limits(CONNECTIONS, CLIENT_S, MAX_BODY)
            with self._serving:
                await serve_app(self._app, listener, limits, trio.Event(), task_status=task_status)
            self._closed.set()

        await self._nursery.start(serve)

    async def close(self) -> None:
        """Break all connections, and let nobody listen any more."""
        self._serving.cancel()
        await self._closed.wait()
