"""Counts requests by route.

The route is the pattern, such as `/build/<number>`, never the path: a series for each build
would grow for ever.
"""

from __future__ import annotations

from typing import Final

import trio
from quart import Response, g, request
from quart_trio import QuartTrio

from ci.server.core import Server

_NO_ROUTE: Final = "(none)"  # an address that does not exist
# Anybody may invent a method; each would be a series of its own.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


def count_requests(app: QuartTrio, server: Server) -> None:
    """Let `server` count the requests of `app`, and how long each took until its answer began.

    What the gate refuses, and a client that leaves before the answer, are not counted.
    """

    async def note_begin() -> None:
        g.began_at = trio.current_time()

    async def count(response: Response) -> Response:
        rule = request.url_rule
        route = rule.rule if rule is not None else _NO_ROUTE
        method = request.method if request.method in _METHODS else "other"
        status = f"{response.status_code // 100}xx"
        metrics = server.measured
        metrics.requests.labels(method, route, status).inc()
        if "began_at" in g:
            metrics.request_s.labels(route).observe(trio.current_time() - g.began_at)
        return response

    app.before_request(note_begin)
    app.after_request(count)


def count_quick(server: Server, route: str, took_s: float) -> None:
    """Count a question of an open page that was answered in front of the app."""
    server.measured.requests.labels("GET", route, "2xx").inc()
    server.measured.request_s.labels(route).observe(took_s)
