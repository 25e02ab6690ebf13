"""Questions of open pages whose answer is known already: answered before Quart sees them.

Hundreds of open pages ask each second or two, and mostly there is nothing new. Quart takes three
times as long for such an answer as all the rest of the way from the socket and back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

from ci.errors import Unauthorized
from ci.people import Role
from ci.web.core import Core
from ci.web.parts import CACHING, is_present, version_of
from ci.web.personal import with_token
from ci.web.shared import FOR_EVER, Known, Shared, address_of
from ci.web.visitors import visitor_of

_OK: Final = 200
_NO_NEWS: Final = 204

Tell = Callable[[str, float], None]


class Quick:
    """Answers, in front of an app, what its routes have answered before for the present state.

    It knows no route. A route that answers a part leaves it with `Shared`, also that there was
    nothing new; as long as the version stays the same, so does the answer. All else is the
    app's, and so it is the app that says what an address means and whether it exists.
    """

    def __init__(
        self,
        app: ASGIFramework,
        core: Core,
        shared: Shared,
        headers: Mapping[str, str],
        tell: Tell,
    ) -> None:
        """Put `headers` into each answer, and tell of each its route and the seconds it took."""
        self._app = app
        self._core = core
        self._shared = shared
        every = {"Content-Type": "text/html; charset=utf-8", **CACHING, **headers}
        self._headers = [(name.lower().encode(), text.encode()) for name, text in every.items()]
        self._tell = tell

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer what is known; let the app answer any other request."""
        began_s = time.monotonic()
        if scope["type"] != "http" or (found := self._find(scope)) is None:
            await self._app(scope, receive, send)
            return
        known, status = found
        body = b""
        if status == _OK:
            session = visitor_of(scope).reader.session
            body = with_token(known.html, self._core.people.sessions.form_token(session)).encode()
        size = b"content-length", str(len(body)).encode()
        headers = [self._headers[0], size, *self._headers[1:]]
        self._tell(known.route, time.monotonic() - began_s)
        await send(
            {"type": "http.response.start", "status": status, "headers": headers, "trailers": False}
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _find(self, scope: HTTPScope) -> tuple[Known, int] | None:
        """Return what is known of the answer to a request, and its status; None if not enough."""
        if scope["method"] != "GET" or not _is_plain_question(scope):
            return None
        try:
            query = parse_qsl(
                scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict"
            )
        except ValueError:
            return None
        try:
            reader = visitor_of(scope).reader
        except Unauthorized:
            return None
        known = self._shared.known(address_of(scope["path"], query, reader.role))
        if known is None or not reader.may(Role.VIEWER):
            return None
        if known.moment == FOR_EVER:
            return known, _OK
        if version_of(known.moment) != self._core.version(known.number):
            return None
        shown = next((value for name, value in query if name == "v"), "")
        if is_present(self._core, shown, known.number):
            return (known, _NO_NEWS) if self._is_still(known) else None
        if known.html and is_present(self._core, known.moment, known.number):
            return known, _OK
        return None

    def _is_still(self, known: Known) -> bool:
        """Whether the log, if it is about one, has not grown either."""
        log = known.log
        if log is None or log.attempt is None:
            return True
        try:
            return self._core.log_size(log.attempt) == log.size
        except OSError:
            return False  # the app says what is wrong


def _is_plain_question(scope: HTTPScope) -> bool:
    """Whether htmx asks, and nothing follows that would have to be read."""
    asks = False
    for name, value in scope["headers"]:
        if name == b"hx-request":
            asks = True
        elif name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return False
    return asks
