"""AgentClient: our words and errors around httpx. The only file of the server that imports it."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from ci import blocking
from ci.certificates import connect_words, pinned_context, plain_context
from ci.errors import PeerRefused, Unproved, Unreachable
from ci.listen import url_of
from ci.plainanswer import ASK_PLAIN, OddAnswer, read_plain
from ci.wire import job, status
from ci.wire.fields import ONE_REQUEST
from ci.wire.refusal import refusal_words
from ci.wire.sealed import seal_secrets
from ci.wire.signature import MOST_PASSES, SIGNATURE, Key
from ci.wire.status import AgentStatus, read_status
from ci.wire.token import token_headers

MAX_ANSWER_BYTES = 1 << 20  # an agent's answers are small; a wrong peer's may be endless
ANSWER_S = 5.0  # an agent answers /status and /build at once: it only has to note it down
_WRONG_TOKEN = (401, 403)
# Host names that can't be are found out only here: idna raises UnicodeError.
_NOT_SENT = (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)

# Connections outlive the pause between two heartbeats, and end before the agent's end of them does.
KEEP_ALIVE_S = 30.0
# Nobody has called an agent at this address for so long that no request is under way any more.
FORGET_S = 600.0

# The kernels of both machines ask each other on a connection that is silent: a build may keep one
# open for hours, and a machine without power never says that it is gone. Some 40 s in all.
_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
# Steps of a request from which on its peer has taken the connection.
_CONNECTED = ("connection.connect_tcp.complete", "http11.send_request_headers.started")

_CERTIFICATE = "ci.certificate"  # of the agent that is asked, among the extensions of a request
_Place = tuple[str, int | None, str]  # host, port and certificate

Trace = Callable[[str, Any], Awaitable[None]]
Http = httpx.AsyncClient  # so that nobody else has to import it


def dial_http(now: Callable[[], float] = time.monotonic) -> Http:
    """Make the client for all agents. Time limits are the callers' business.

    `trust_env` is off because a proxy for the outside world does not know the agents.
    """
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # one client for all agents
    return Http(
        transport=_PoolPerAgent(now),
        timeout=httpx.Timeout(None),
        trust_env=False,
        cookies=no_cookies,
    )


class _PoolPerAgent(httpx.AsyncBaseTransport):
    """Keeps the connections of each agent apart.

    A pool looks at every connection that it has at each request, by a system call: with a hundred
    agents in one pool that would cost more than the request.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pools: dict[_Place, tuple[httpx.AsyncHTTPTransport, float]] = {}
        self._plain = plain_context()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it by the pool of its address."""
        certificate = request.extensions.get(_CERTIFICATE, "")
        address = request.url.host, request.url.port, certificate
        now = self._now()
        is_new = address not in self._pools
        pool = self._new_pool(certificate) if is_new else self._pools[address][0]
        self._pools[address] = pool, now
        if is_new:
            await self._forget(now)
        return await pool.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._forget(math.inf)

    def _new_pool(self, certificate: str) -> httpx.AsyncHTTPTransport:
        trusted = pinned_context(certificate) if certificate else self._plain
        limits = httpx.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE_S)
        return httpx.AsyncHTTPTransport(
            verify=trusted, limits=limits, trust_env=False, socket_options=_KEEP_ALIVE
        )

    async def _forget(self, now: float) -> None:
        """Close what has not been used for long: an agent may come from another port each time."""
        old = [address for address, (_, used_at) in self._pools.items() if now - used_at > FORGET_S]
        # All at once, before the first await: others come here too, or use one of them again.
        for pool, _ in [self._pools.pop(address) for address in old]:
            await pool.aclose()


class AgentClient:
    """What the server asks of one agent. Every method raises Unreachable or PeerRefused.

    With a `certificate` it is called by TLS, and must show that one.
    """

    def __init__(
        self,
        http: Http,
        host: str,
        port: int,
        token: str | None,
        *,
        certificate: str = "",
        credential: str | None = None,
        key: Key | None = None,
        native: bool = True,
    ) -> None:
        """`credential` is what only this agent has, if it has one: by it secrets are sealed.

        With a `key` each call is signed, no `token` is shown, and only answers that this agent has
        signed count. When one that others wrote drops a connection nobody knows whether it took a
        job: it is given a new one for each request.
        """
        self._http = http
        self._key = key
        self._nonce = ""  # which the agent's last answer has told
        self._credential = credential
        self._headers = token_headers(token) | ({} if native else ONE_REQUEST)
        self._extensions: dict[str, Any] = {_CERTIFICATE: certificate}
        self.url = url_of(host, port, tls=bool(certificate))

    async def build(self, body: dict[str, Any]) -> None:
        """Hand an attempt over; returns when the agent has taken it."""
        if body.get("secrets"):
            assert self._credential is not None, "no other agent is given any"
            body = seal_secrets(body, self._credential)
        await self._ask("POST", job.PATH, body)

    async def cancel(self, id: str, lease_mark: str) -> None:
        """End an attempt now; without a mark, whichever has this id."""
        body = {"id": id, "buildId": id}
        await self._ask(
            "POST", status.CANCEL_PATH, body | ({"lease_mark": lease_mark} if lease_mark else {})
        )

    async def status(self, connected: Callable[[], None] = lambda: None) -> AgentStatus:
        """Ask for a sign of life. Any answer is one, unless it says that our token is wrong.

        Calls `connected` as soon as somebody has taken the connection.
        """

        async def trace(step: str, _info: object) -> None:
            if step in _CONNECTED:
                connected()

        try:
            return read_status(await self._ask("GET", status.PATH, trace=trace))
        except PeerRefused as refusal:
            if refusal.status in _WRONG_TOKEN:
                raise
            return AgentStatus()

    async def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        trace: Trace | None = None,
    ) -> bytes:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        kind = ASK_PLAIN | ({"Content-Type": "application/json"} if body else {})
        extensions = self._extensions | ({"trace": trace} if trace else {})
        for _ in range(MOST_PASSES):
            nonce, shown = self._nonce, self._headers
            if self._key is not None:
                shown = self._key.sign_request(method, path, content, nonce)
            response, answer = await self._send(
                method, path, content=content or None, headers=shown | kind, extensions=extensions
            )
            if self._key is not None:
                self._nonce = self._read_proof(shown[SIGNATURE], response, answer)
                if response.status_code == HTTPStatus.UNAUTHORIZED and self._nonce != nonce:
                    continue
            if response.is_success:
                return answer
            said = refusal_words(
                response.headers.get("Content-Type", ""), answer.decode(errors="replace")
            )
            raise PeerRefused(response.status_code, said)
        raise Unreachable(f"{self.url}{path} wants another proof each time")

    def _read_proof(self, signed: str, response: httpx.Response, answer: bytes) -> str:
        """Return the nonce of an answer that is this agent's. Raises Unproved."""
        assert self._key is not None
        status = response.status_code
        nonce = self._key.read_answer(signed, status, response.headers, answer)
        if nonce is None:
            raise Unproved(status, "agent of this name")
        return nonce

    async def _send(self, method: str, path: str, **request: Any) -> tuple[httpx.Response, bytes]:
        """Return the answer and its body, of which a wrong peer may send without end."""
        answer = b""  # an odd one is left unread: that there is one says what counts
        try:
            async with self._http.stream(method, self.url + path, **request) as response:
                with suppress(OddAnswer):
                    answer = await read_plain(response, MAX_ANSWER_BYTES)
        except _NOT_SENT as error:
            problem = connect_words(error)
            raise Unreachable(
                f"can't connect to {self.url}: {problem}", sent=False, nobody=_is_refused(error)
            ) from error
        except RuntimeError as error:
            if not blocking.lacks_thread(error):  # to look the agent's name up
                raise
            raise Unreachable(f"can't look up {self.url}: {error}", sent=False) from error
        except httpx.HTTPError as error:
            problem = connect_words(error)
            raise Unreachable(f"no answer from {self.url}{path}: {problem}") from error
        return response, answer


def _is_refused(error: BaseException) -> bool:
    """Whether the machine was reached, and nobody listens at that port."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_refused(each) for each in error.exceptions)
    if isinstance(error, ConnectionRefusedError):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and _is_refused(cause)
