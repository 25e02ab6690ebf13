"""What the agent says to its server: our words and errors around httpx.

The only file of the agent that imports httpx. Time limits belong to the callers.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

import httpx
import trio

from ci import blocking
from ci.agent.badge import WRONG_SECRET, Badge
from ci.agent.secret import Secret
from ci.certificates import connect_words
from ci.errors import GivenUp, LogFull, LogGap, PeerRefused, Unreachable
from ci.plainanswer import ASK_PLAIN, OddAnswer, read_plain
from ci.wire.fields import ONE_REQUEST
from ci.wire.refusal import MAX_SHOWN_CHARS, read_json, refusal_words
from ci.wire.registration import PATHS, Welcome, read_welcome
from ci.wire.result import LOG_PATHS, RESULT_PATHS
from ci.wire.signature import MOST_PASSES

Dial = Callable[[str], httpx.AsyncClient]

# Where servers of others may have all their calls.
_PREFIXES: Final = ("", "/api")
UNKNOWN_PATH: Final = (404, 405, 501)  # what servers answer that have no such call
_MOVED: Final = (307, 308)  # with method and body; what others lead to is asked for by GET
_PASSING: Final = (408, 425, 429)  # and every 5xx
MAX_ANSWER_BYTES: Final = 1 << 20  # a server's answers are small; a wrong peer's may be endless
_MAX_RETRY_AFTER_S: Final = 300.0  # a server that asks for more would look dead


def dial(url: str, trusted: ssl.SSLContext) -> httpx.AsyncClient:
    """Make a client for the server at `url`. Proxies are for the world outside, not for it."""
    return httpx.AsyncClient(
        base_url=url,
        verify=trusted,
        timeout=None,  # noqa: S113 - the callers have trio.fail_after
        trust_env=False,
    )


class ServerClient:
    """The server as an agent sees it. Every call raises Unreachable and PeerRefused."""

    def __init__(self, http: httpx.AsyncClient, secret: Secret) -> None:
        self._http = http
        self._secret = secret
        self._known: dict[tuple[str, ...], int] = {}  # which spelling of a call was answered
        self._next: dict[tuple[str, ...], int] = {}  # which one to begin with as long as none was
        self._native = False  # whether a server of this project has answered
        self._habit = 0  # which one was answered last, of any call

    async def register(self, registration: Mapping[str, Any], badge: Badge) -> Welcome:
        """Say where this agent is. A server that others wrote answers anything."""
        body = json.dumps(registration).encode()
        answer = await self._post(PATHS, body, "application/json", badge=badge)
        welcome = read_welcome(answer.content)
        self._native = welcome.protocol > 0
        return welcome

    async def send_log(
        self,
        id: str,
        offset: int,
        data: bytes,
        cut: int | None = None,
        *,
        lease_mark: str = "",
    ) -> int:
        """Send a piece of a log; return the size that the server has now.

        `cut` says where in the log our words stand that its middle is left out.
        Raises LogGap when the server wants another offset, LogFull when it takes no more log,
        GivenUp when it wants nothing more at all.
        """
        parameters = {"id": id, "offset": str(offset)}
        if cut is not None:
            parameters["cut"] = str(cut)
        if lease_mark:
            parameters["lease_mark"] = lease_mark
        answer = await self._post(LOG_PATHS, data, "application/octet-stream", parameters)
        size = _size(answer)
        if size is None:
            raise Unreachable("the answer to a piece of log can't be read")
        return size

    async def send_result(self, result: Mapping[str, Any]) -> None:
        """Send an attempt's end; after this returns the server has it.

        Raises LogGap when the server lacks log, GivenUp when it wants nothing more.
        """
        await self._post(RESULT_PATHS, json.dumps(result).encode(), "application/json")

    async def _post(
        self,
        spellings: tuple[str, ...],
        body: bytes,
        kind: str,
        parameters: Mapping[str, str] | None = None,
        *,
        badge: Badge | None = None,
    ) -> httpx.Response:
        """Post to the first spelling of a path that the server knows.

        One that leaves what it does not know without an answer is asked by another one next time.
        """
        paths = [prefix + path for prefix in _PREFIXES for path in spellings]
        first = self._known.get(spellings, self._next.get(spellings, self._habit))
        for index in (first, *(other for other in range(len(paths)) if other != first)):
            try:
                answer = await self._try(paths[index], body, kind, parameters, badge)
                if (other := _moved_to(answer)) is not None:
                    answer = await self._try(other, body, kind, parameters, badge)
            except trio.Cancelled:
                self._next[spellings] = (index + 1) % len(paths)
                raise
            if answer.status_code not in UNKNOWN_PATH:
                self._known[spellings] = self._habit = index
                break
        return _checked(answer)

    async def _try(
        self,
        path: str,
        body: bytes,
        kind: str,
        parameters: Mapping[str, str] | None,
        badge: Badge | None,
    ) -> httpx.Response:
        """Send it by this badge, or the one that counts, until there is an answer to it."""
        used = badge or self._secret.badge
        for _ in range(MOST_PASSES):
            headers = {"Content-Type": kind} | ASK_PLAIN | ({} if self._native else ONE_REQUEST)
            request = self._http.build_request(
                "POST", path, content=body, headers=headers, params=parameters
            )
            sent = used.make_pass("POST", request.url.raw_path.decode("ascii"), body)
            request.headers.update(sent.headers)
            answer = await self._send(request)
            status = answer.status_code
            if used.is_answer(sent, status, answer.headers, answer.content):
                counts = badge or self._secret.badge
                if status not in WRONG_SECRET or used is counts:
                    return answer
                used = counts  # it was refused because of the one before
        raise Unreachable("it wants another proof each time")

    async def _send(self, request: httpx.Request) -> httpx.Response:
        body = b""  # an odd one is left unread: that there is one says what counts
        try:
            async with aclosing(await self._http.send(request, stream=True)) as answer:
                with suppress(OddAnswer):
                    body = await read_plain(answer, MAX_ANSWER_BYTES)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(connect_words(error), sent=False) from error
        except RuntimeError as error:
            if not blocking.lacks_thread(error):  # to look the server's name up
                raise
            raise Unreachable(connect_words(error), sent=False) from error
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise Unreachable(connect_words(error), broken=True) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise Unreachable(connect_words(error)) from error
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=body, request=request
        )


def _checked(answer: httpx.Response) -> httpx.Response:
    status = answer.status_code
    if 200 <= status < 300:
        return answer
    if (status >= 500 and status not in UNKNOWN_PATH) or status in _PASSING:
        words = str(PeerRefused(status, _said(answer)))
        raise Unreachable(words, retry_after_s=_retry_after(answer))
    if status == 410:
        raise GivenUp("the server has given this attempt up")
    if status == 409 and (size := _size(answer)) is not None:
        raise LogGap(size)
    # Without a size it is no word of ours: a proxy with a limit of its own, which a person mends.
    if status == 413 and (size := _size(answer)) is not None:
        raise LogFull(size)
    raise PeerRefused(status, _said(answer))


def _moved_to(answer: httpx.Response) -> str | None:
    """Return where on the same server the same call is, if the answer is that it is elsewhere.

    A slash more or less is most of it. Whatever leads to another page is a refusal: that may be
    the one to log in.
    """
    if not answer.has_redirect_location:
        return None
    asked = answer.request.url
    try:
        other = asked.join(answer.headers["Location"])
    except httpx.InvalidURL:
        return None
    same = (other.scheme, other.netloc) == (asked.scheme, asked.netloc)
    moved = answer.status_code in _MOVED or other.path.strip("/") == asked.path.strip("/")
    return other.path if same and moved and other.path != asked.path else None


def _said(answer: httpx.Response) -> str:
    """Return the server's own words, for the log."""
    if answer.has_redirect_location:
        return f"it leads to {answer.headers['Location'][:MAX_SHOWN_CHARS]}"
    return refusal_words(answer.headers.get("Content-Type", ""), answer.text)


def _size(answer: httpx.Response) -> int | None:
    match read_json(answer.text):
        case {"size": int(size)} if not isinstance(size, bool) and size >= 0:
            return size
    return None


def _retry_after(answer: httpx.Response) -> float | None:
    """Read the header in seconds; its other form, a date, is not worth a clock."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), _MAX_RETRY_AFTER_S) if text.isdecimal() else None
