"""One request to the server: our words and errors around httpx. Only this file imports it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any, Final, TypeVar, cast

import httpx
import trio
from pydantic import TypeAdapter, ValidationError

from ci.answers.server import Error
from ci.certificates import connect_words
from ci.client.errors import ApiRefused
from ci.errors import Unreachable
from ci.wire.refusal import refusal_words
from ci.wire.token import token_headers

T = TypeVar("T")
Dial = Callable[[str, ssl.SSLContext], httpx.AsyncClient]

ANSWER_S: Final = 60.0  # a comparison of long logs takes some seconds; all else is quick
CONNECT_S: Final = 10.0  # a machine that is there says so at once, one far away within a second
MAX_RETRY_AFTER_S: Final = 300.0  # who waits for longer would look dead
# Host names that can't be are found out only here: idna raises UnicodeError.
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    UnicodeError,
)


def dial(url: str, trusted: ssl.SSLContext) -> httpx.AsyncClient:
    """Make a client for the server at `url`. Proxies are for the world outside, not for it."""
    return httpx.AsyncClient(
        base_url=url,
        verify=trusted,
        timeout=httpx.Timeout(None, connect=CONNECT_S),  # for all else we have trio.fail_after
        trust_env=False,
    )


class Http:
    """Asks a server. Every call raises Unreachable and ApiRefused."""

    def __init__(self, http: httpx.AsyncClient, token: str | None) -> None:
        self._http = http
        self._url = str(http.base_url).rstrip("/")
        self._headers = token_headers(token)

    async def ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        body: object = None,
        parameters: Mapping[str, Any] | None = None,
        also: tuple[int, ...] = (),
    ) -> T:
        """Ask, and read the answer as `kind`; `also` are statuses of such an answer beside 2xx."""
        answer = await self._send(method, path, body=body, parameters=parameters, also=also)
        return self._read(kind, answer)

    async def bytes_from(self, path: str, begin: int, most: int, **parameters: str) -> bytes:
        """Return up to `most` bytes of what there is from `begin` on; none if that is nothing."""
        range_ = {"Range": f"bytes={begin}-{begin + most - 1}"}
        answer = await self._send("GET", path, parameters=parameters, headers=range_, also=(416,))
        if answer.status_code == 416:
            return b""
        if not answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
            raise Unreachable(
                f"{self._url}: it answered {answer.status_code} with something else than the log "
                f"from byte {begin} on; a proxy may have answered for it"
            )
        return answer.content

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        also: tuple[int, ...] = (),
    ) -> httpx.Response:
        content = None if body is None else json.dumps(body).encode()
        try:
            with trio.fail_after(ANSWER_S):
                answer = await self._http.request(
                    method,
                    path,
                    content=content,
                    params=parameters,
                    headers={**self._headers, **(headers or {})},
                )
        except trio.TooSlowError as error:
            raise Unreachable(f"{self._url}: no answer within {ANSWER_S:g} s") from error
        except _NOT_SENT as error:
            raise Unreachable(f"{self._url}: {connect_words(error)}", sent=False) from error
        except httpx.RequestError as error:
            raise Unreachable(f"{self._url}: {connect_words(error)}") from error
        if not answer.is_success and answer.status_code not in also:
            raise self._refusal(answer)
        return answer

    def _read(self, kind: type[T], answer: httpx.Response) -> T:
        try:
            read: T = _adapter(cast(Hashable, kind)).validate_json(answer.content)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in found["loc"])
            raise Unreachable(
                f"{self._url}: its answer is not one of this API "
                f"({place or 'all of it'}: {found['msg']}); "
                "another program may listen at that address, or one of another version"
            ) from error
        return read

    def _refusal(self, answer: httpx.Response) -> ApiRefused | Unreachable:
        after = answer.headers.get("Retry-After", "")
        retry_after_s = min(float(after), MAX_RETRY_AFTER_S) if after.isdecimal() else None
        status = answer.status_code
        try:
            problem = _adapter(Error).validate_json(answer.content).error
        except ValidationError:
            said = refusal_words(answer.headers.get("Content-Type", ""), answer.text)
            words = f"it answered {status}{f': {said}' if said else ''}"
            # Not the server's own words: a proxy that does not reach it, or knows no such place
            # while it is away.
            if status == 404 or status >= 500:
                return Unreachable(f"{self._url}: {words}", retry_after_s=retry_after_s)
            return ApiRefused(status, words, retry_after_s=retry_after_s)
        return ApiRefused(status, problem.message, field=problem.field, retry_after_s=retry_after_s)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
