"""Serving: an app on a socket that is already bound, to clients of whom nothing good is assumed.

serve_app
├─ accept                     until we stop
└─ Connection.run             one for each client; ci/connection.py
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import trio
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from quart import Response, current_app, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from ci.connection import Connection
from ci.crowd import Crowd
from ci.http1 import INVITE
from ci.limits import Limits

GRACEFUL_S: Final = 1.0  # for requests under way when we stop; a poller asks again anyway
REFUSED_BODY_S: Final = 2.0  # for the rest of a body that nobody will read


async def read_body() -> bytes:
    """Read the whole body of the present request; who waits for `100 Continue` hears it now."""
    extensions: Mapping[str, Any] = request.scope.get("extensions", {})
    if INVITE in extensions and (request.content_length or 0) <= _most_bytes():
        await extensions[INVITE]["call"]()
    body = await request.get_data(as_text=False)
    assert isinstance(body, bytes)  # by `as_text`
    return body


def _most_bytes() -> int:
    most: int = current_app.config["MAX_CONTENT_LENGTH"]
    return most


def asked_target() -> str:
    """Return path and query of the present request as they came, for that is what is signed."""
    path, query = request.scope["raw_path"], request.query_string
    target: bytes = path + b"?" + query if query else path
    return target.decode("latin-1")


async def finish_body(response: Response) -> Response:
    """Leave no part of a refused request's body unread: for `app.after_request`.

    Hypercorn answers before the body has come, and the rest of it then stands where the next
    request of the connection should. A body that is too large, or too slow, ends the connection.
    """
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        whole = False
        if "Expect" not in request.headers:  # else it may be sent now or never
            with trio.move_on_after(REFUSED_BODY_S), suppress(HTTPException):
                await request.get_data()
                whole = True
        if not whole:
            response.headers["Connection"] = "close"
    return response


async def serve_app(
    app: QuartTrio,
    listener: socket.socket,
    limits: Limits,
    stop: trio.Event,
    *,
    tls: ssl.SSLContext | None = None,
    graceful_s: float = GRACEFUL_S,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on `listener`, which it takes over, until `stop` is set; by `tls`, if given.

    Requests that are under way then have `graceful_s` seconds to end.
    """
    config = Config()
    config.accesslog = None
    config.errorlog = None  # our own handlers log what goes wrong, with its cause
    config.include_server_header = False
    context = WorkerContext(None)
    crowd = Crowd(limits)

    async def serve_one(stream: trio.SocketStream) -> None:
        await Connection(app, config, context, crowd, stream, tls=tls).run()

    accept = partial(
        trio.serve_listeners,
        serve_one,
        [trio.SocketListener(trio.socket.from_stdlib_socket(listener))],
    )
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            accepting.start_soon(partial(accept, handler_nursery=connections))
            task_status.started()
            await stop.wait()
            accepting.cancel_scope.cancel()
        await context.terminated.set()
        crowd.stop()
        connections.cancel_scope.deadline = trio.current_time() + graceful_s
