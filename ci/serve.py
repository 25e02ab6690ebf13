"""Hypercorn in our own nursery: it serves an app on a socket that is already bound."""

from __future__ import annotations

import socket
from http import HTTPStatus

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

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
    config.accesslog = None
    config.errorlog = None  # our own handlers log what goes wrong, with its cause
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.graceful_timeout = GRACEFUL_S
    config.include_server_header = False
    await serve(app, config, shutdown_trigger=stop.wait, task_status=task_status)
