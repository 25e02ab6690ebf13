"""Calls to what is held against the contract. The only file of the kit that imports httpx."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from ci.certificates import connect_words, plain_context
from ci.errors import Unreachable
from ci.wire.refusal import read_json
from ci.wire.token import token_headers

JSON = "application/json"


Http = httpx.AsyncClient  # so that nobody else has to import it


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    text: str
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether it is any 2xx."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether it says that the request was wrong."""
        return 400 <= self.status < 500

    @property
    def json(self) -> Any:
        """Its body, or None when that is no JSON."""
        return read_json(self.text)


class Peer:
    """The program at an address. Every call is a connection of its own."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str | None) -> None:
        self._http = http
        self.url = url.rstrip("/")
        self._headers = token_headers(token)

    async def get(self, path: str) -> Answer:
        """Ask for a path. Raises Unreachable."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any] | bytes) -> Answer:
        """Send JSON, or bytes in its place. Raises Unreachable."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self._ask("POST", path, content)

    async def _ask(self, method: str, path: str, content: bytes | None) -> Answer:
        headers = self._headers | ({} if content is None else {"Content-Type": JSON})
        try:
            answer = await self._http.request(
                method, self.url + path, content=content, headers=headers
            )
        except httpx.ConnectError as error:
            words = f"can't connect to {self.url}: {connect_words(error)}"
            raise Unreachable(words, sent=False) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise Unreachable(f"no answer to {method} {path}: {connect_words(error)}") from error
        return Answer(answer.status_code, answer.text, answer.content)


@asynccontextmanager
async def open_peers() -> AsyncIterator[httpx.AsyncClient]:
    """Open what peers are reached by. Time limits are the probes' business."""
    async with httpx.AsyncClient(
        verify=plain_context(),
        timeout=None,  # noqa: S113 - each probe has a limit
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as http:
        yield http
