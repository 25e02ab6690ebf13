"""Hypercorn in our own nursery: it serves an app on a socket that is already bound."""

from __future__ import annotations

import socket
from http import HTTPStatus

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from ci.listen import BACKLOG

# Longer than any client of ours keeps an idle connection, so that it is never closed under one.
KEEP_ALIVE_S = 75.0
GRACEFUL_S = 1.0  # for requests under way when we stop; a poller asks again anyway


async def finish_body(response: Response) -> Response:
    """Leave no part of a refused request's body unread: for `app.after_request`.

    Hypercorn answers before the body has come, and the rest of it then stands where the next
    request of the connection should. A body that is too large to be read ends the connection.
    """
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        try:
            await request.get_data()
        except HTTPException:
            response.headers["Connection"] = "close"
    return response


async def serve_app(
    app: QuartTrio,
    listener: socket.socket,
    stop: trio.Event,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on `listener`, which it takes over, until `stop` is set."""
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = BACKLOG  # it listens anew, with a tenth of that if it is not told
    config.accesslog = None
    config.errorlog = None  # our own handlers log what goes wrong, with its cause
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.graceful_timeout = GRACEFUL_S
    config.include_server_header = False
    await serve(_Unhurried(app), config, shutdown_trigger=stop.wait, task_status=task_status)


class _Unhurried:
    """Lets Hypercorn finish with an answer before the app hears that its client has left.

    Hypercorn says so at the end of every answer, too, and Quart-Trio then cancels the handler,
    which at that moment is inside Hypercorn, starting the watch over the idle connection. Without
    that watch the connection is closed neither after KEEP_ALIVE_S nor at once when we stop.
    """

    def __init__(self, app: ASGIFramework) -> None:
        self._app = app

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        sending = trio.Lock()

        async def send_whole(message: ASGISendEvent) -> None:
            async with sending:
                await send(message)

        async def receive_late() -> ASGIReceiveEvent:
            message = await receive()
            if message["type"] == "http.disconnect":
                async with sending:
                    pass
            return message

        await self._app(scope, receive_late, send_whole)
