"""The program behind an ASGI app: requests are handled by its own tasks, and end with it.

Without it a request is handled by the task of who asks, and goes on when the program is dead.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

import httpx
import trio


class Host:
    """An ASGI app that handles each request in a task of `nursery`.

    As with a real server, a client that leaves cancels its handler, and the connections of a
    program that dies are reset.
    """

    def __init__(self, app: Any, nursery: trio.Nursery) -> None:
        self._app = app
        self._nursery = nursery
        self._context = copy_context()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request."""
        handling = trio.CancelScope()
        over = trio.Event()
        answered = False

        async def handle() -> None:
            nonlocal answered
            try:
                with handling:
                    await self._app(scope, receive, send)
                    answered = True
            finally:
                over.set()

        # A task inherits the context of who starts it, which here is another program.
        self._context.copy().run(self._nursery.start_soon, handle)
        try:
            await over.wait()
        finally:
            handling.cancel()
        if not answered:
            raise httpx.ReadError("connection reset")
