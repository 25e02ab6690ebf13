"""HTTP/1.1 alone, as Hypercorn speaks it, but for what it takes too lightly."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import h11
from hypercorn.events import Closed
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import H11SendableEvent

from ci.gate import NO_PAGE

_NO_PAGE: Final = [(name.lower().encode(), value.encode()) for name, value in NO_PAGE.items()]
_POLICY: Final = b"content-security-policy"
VERSIONS: Final = frozenset({b"1.0", b"1.1"})
INVITE: Final = "ci.invite"  # the extension of ASGI by which an app asks for a body


class HTTP1(H11Protocol):
    """One connection's protocol: no HTTP/2, no WebSocket, no word for a body that nobody reads."""

    _asks_first = False

    async def invite(self) -> None:
        """Say `100 Continue` to a client that waits for that before it sends its body.

        Hypercorn says so at once, also to those whose request is then refused for its head.
        """
        if self._asks_first and self.connection.our_state is h11.SEND_RESPONSE:
            self._asks_first = False
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))

    async def _check_protocol(self, event: object) -> None:
        """Ignore the offer to go on in HTTP/2, which some clients make by themselves.

        There a client can hold an answer up without holding the connection up, where no limit of
        ours would see it.
        """

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """Send it; an answer that neither app nor gate has made is no page either."""
        if isinstance(event, h11.Response) and _POLICY not in {name for name, _ in event.headers}:
            headers = [*event.headers, *_NO_PAGE]
            event = h11.Response(status_code=event.status_code, headers=headers)
        await super()._send_h11_event(event)

    async def _create_stream(self, request: h11.Request) -> None:
        """Begin a request, or refuse it where h11 is not as strict as we are."""
        connection = self.connection
        assert isinstance(connection, h11.Connection)  # the other kind is for WebSockets
        self._asks_first = connection.client_is_waiting_for_100_continue
        connection.client_is_waiting_for_100_continue = False
        # Hypercorn takes `get` for GET. But h11 does not take `head` for HEAD, and waits for a body
        # of the answer that never comes.
        if request.http_version not in VERSIONS or request.method != request.method.upper():
            await self._send_error_response(HTTPStatus.BAD_REQUEST)
            await self.send(Closed())
            return
        # Nor is the offer of a WebSocket taken: Hypercorn stumbles over junk behind it.
        headers = [pair for pair in request.headers if pair[0] != b"upgrade"]
        if len(headers) < len(request.headers):  # for h11 looks at each of them once more
            request = h11.Request(
                method=request.method,
                target=request.target,
                headers=headers,
                http_version=request.http_version,
            )
        await super()._create_stream(request)
