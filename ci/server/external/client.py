"""StorageClient: our words and errors around httpx, for the calls of the storage API."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx
import trio

from ci import blocking
from ci.certificates import connect_words, trusted_context
from ci.config import ServerConfig
from ci.errors import CIError
from ci.plainanswer import ASK_PLAIN, OddAnswer, read_plain
from ci.server.external.body import Finish
from ci.server.external.there import (
    Conf,
    Page,
    There,
    Unreadable,
    read_build,
    read_conf,
    read_list,
)
from ci.wire.token import token_headers

T = TypeVar("T")
Http = httpx.AsyncClient  # so that nobody else has to import it
DialStorage = Callable[[ServerConfig], Http]

ANSWER_S: Final = 30.0  # it is known to be slow, and a log takes its time on a thin line
MAX_ANSWER_BYTES: Final = 16 << 20
PAGE: Final = 25  # builds; the size that every storage knows, so that a short page is the last
MAX_RETRY_AFTER_S: Final = 3600.0
_SHOWN_CHARS: Final = 200
_OURS_TO_MEND: Final = frozenset({401, 403, 407})  # the token, or a proxy
_BUSY: Final = frozenset({429, 503})  # with the time until when, all of it is
_NOT_SENT: Final = (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)


class StorageFailed(CIError):
    """A call did not do what it should. The change may have been made unless `sent` is False.

    `status` is that of the answer, if there was one. `refused` says that whoever made the call is
    not let in: of a call about one build, that may be for what stood in it.
    """

    def __init__(
        self,
        message: str,
        *,
        sent: bool = True,
        refused: bool = False,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.sent = sent
        self.refused = refused
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def for_all(self) -> bool:
        """Whether no call would do better now, whatever it is about."""
        return not self.sent or (self.status in _BUSY and self.retry_after_s is not None)


def dial_storage(config: ServerConfig) -> httpx.AsyncClient:
    """Make the client. A proxy for the outside world is used if there is one. Blocks."""
    trusted: ssl.SSLContext | bool = not config.api_insecure
    if config.api_ca_file is not None:
        trusted = trusted_context(config.api_ca_file, "apiCaFile")
    return httpx.AsyncClient(verify=trusted, timeout=httpx.Timeout(None), follow_redirects=False)


class StorageClient:
    """Each call, once. All raise StorageFailed."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, token: str | None) -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._headers = token_headers(token) | {"Accept": "application/json"} | ASK_PLAIN

    async def conf(self) -> Conf | None:
        """Ask what is configured."""
        return _read(read_conf, await self._ask("GET", "conf"))

    async def page(self, offset: int) -> Page:
        """Ask for a page of the list."""
        where = {"offset": str(offset), "limit": str(PAGE)}
        return _read(read_list, await self._ask("GET", "build/list", where=where))

    async def details(self, id: str) -> There:
        """Ask how a build stands."""
        where = {"buildId": id}
        return _read(read_build, await self._ask("GET", "build/details", where=where))

    async def start(self, id: str, at: datetime) -> None:
        """Say that a build begins."""
        time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await self._change("build/start", buildId=id, dateTime=time)

    async def finish(self, id: str, finish: Finish) -> None:
        """Say how a build has ended."""
        await self._change(
            "build/finish",
            buildId=id,
            duration=finish.duration_ms,
            success=finish.success,
            buildLog=finish.log,
        )

    async def cancel(self, id: str) -> None:
        """Say that a build was canceled."""
        await self._change("build/cancel", buildId=id)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        where: dict[str, str] | None = None,
        body: dict[str, object] | None = None,
    ) -> bytes:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if body else {})
        try:
            with trio.fail_after(ANSWER_S):
                async with self._http.stream(
                    method, f"{self._base}/{path}", params=where, content=content, headers=headers
                ) as response:
                    answer = await read_plain(response, MAX_ANSWER_BYTES)
        except trio.TooSlowError as error:
            raise StorageFailed(f"{path} has not answered for {ANSWER_S:g} s") from error
        except _NOT_SENT as error:
            raise StorageFailed(f"can't connect: {connect_words(error)}", sent=False) from error
        except RuntimeError as error:
            if not blocking.lacks_thread(error):  # to look its name up
                raise
            raise StorageFailed(f"can't look it up: {error}", sent=False) from error
        except OddAnswer as error:
            raise StorageFailed(f"{path}: {error}", status=response.status_code) from error
        except httpx.HTTPError as error:
            raise StorageFailed(f"{path}: no answer: {connect_words(error)}") from error
        if not response.is_success:
            raise _refused(path, response, answer)
        if answer.lstrip()[:1] == b"<":  # a log-in page of something in between
            raise StorageFailed(f"{path} answered with a page, not with JSON", refused=True)
        return answer

    async def _change(self, path: str, **body: object) -> None:
        """Make a change, whose answer is empty; by any other nobody knows what became of it."""
        answer = await self._ask("POST", path, body=body)
        try:
            json.loads(answer.strip() or b"null")
        except ValueError as error:
            raise StorageFailed(f"{path} answered what is no JSON") from error


def _read(reader: Callable[[Any], T], answer: bytes) -> T:
    try:
        return reader(json.loads(answer))
    except Unreadable as error:
        raise StorageFailed(f"its answer can't be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise StorageFailed("it answered no JSON, or only a part of it") from error


def _refused(path: str, response: httpx.Response, answer: bytes) -> StorageFailed:
    status = response.status_code
    text = " ".join(answer[:_SHOWN_CHARS].decode(errors="replace").split())
    said = f": {text}" if text.isprintable() and text and text[0] != "<" else ""
    hint = "; is apiToken right?" if status in _OURS_TO_MEND else ""
    return StorageFailed(
        f"{path} answered {status}{said}{hint}",
        refused=status in _OURS_TO_MEND or response.is_redirect,
        status=status,
        retry_after_s=retry_after(response.headers.get("Retry-After", "")),
    )


def retry_after(text: str) -> float | None:
    """Read how many seconds it wants to be left alone, said as such or as a time of day."""
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), MAX_RETRY_AFTER_S)
    try:
        time = parsedate_to_datetime(text)
        wait = time.replace(tzinfo=time.tzinfo or UTC) - datetime.now(UTC)  # "-0000" is no zone
    except (ValueError, OverflowError):  # a zone may lead out of all years
        return None
    return min(max(0.0, wait.total_seconds()), MAX_RETRY_AFTER_S)
