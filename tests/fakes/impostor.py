"""Whoever listens at the port of a server that is away: he hears all, and says what he likes.

`Older` is a server of this project that does not know of proofs yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ci.wire.signature import DIGEST, INPUT, SIGNATURE

_OF_PROOFS = {name.lower().encode() for name in (DIGEST, INPUT, SIGNATURE)}


class Impostor:
    """An ASGI app that gives the same answer to everybody."""

    def __init__(self, status: int, body: Mapping[str, Any], **headers: str) -> None:
        self.status = status
        self._body = json.dumps(body).encode()
        self._headers = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
        self.heard: list[str] = []  # the paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        while (await receive())["more_body"]:
            pass
        self.heard.append(scope["path"])
        headers = [(b"content-type", b"application/json"), *self._headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


class Older:
    """An ASGI app in front of a server, in which nothing of proofs is read or written."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the server answer one request as it would have done before."""

        async def say(message: Any) -> None:
            await send(_without_proof(message))

        await self._app(_without_proof(scope), receive, say)


def _without_proof(message: Any) -> Any:
    if "headers" not in message:
        return message
    headers = [pair for pair in message["headers"] if bytes(pair[0]).lower() not in _OF_PROOFS]
    return {**message, "headers": headers}
