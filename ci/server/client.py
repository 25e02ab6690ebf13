"""AgentClient: our words and errors around httpx. The only file of the server that imports it."""

from __future__ import annotations

import json
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from ci.errors import PeerRefused, Unreachable
from ci.wire import job, status
from ci.wire.status import AgentStatus, read_status
from ci.wire.token import token_headers

MAX_ANSWER_BYTES = 1 << 20  # an agent's answers are small; a wrong peer's may be endless
_SHOWN_CHARS = 1000
_WRONG_TOKEN = (401, 403)
# Host names that can't be are found out only here: idna raises UnicodeError.
_NOT_SENT = (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)

Http = httpx.AsyncClient  # so that nobody else has to import it


def dial_http() -> Http:
    """Make the client for all agents. Time limits are the callers' business.

    `trust_env` is off because a proxy for the outside world does not know the agents.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # one client for all agents
    return Http(timeout=httpx.Timeout(None), limits=limits, trust_env=False, cookies=no_cookies)


class AgentClient:
    """What the server asks of one agent. Every method raises Unreachable or PeerRefused."""

    def __init__(self, http: Http, host: str, port: int, token: str | None) -> None:
        self._http = http
        self._headers = token_headers(token)
        shown_host = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown_host}:{port}"

    async def build(self, body: dict[str, Any]) -> None:
        """Hand an attempt over; returns when the agent has taken it."""
        await self._ask("POST", job.PATH, body)

    async def cancel(self, id: str) -> None:
        """End an attempt now."""
        await self._ask("POST", status.CANCEL_PATH, {"id": id, "buildId": id})

    async def status(self) -> AgentStatus:
        """Ask for a sign of life. Any answer is one, unless it says that our token is wrong."""
        try:
            return read_status(await self._ask("GET", status.PATH))
        except PeerRefused as refusal:
            if refusal.status in _WRONG_TOKEN:
                raise
            return AgentStatus()

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if body else {})
        answer = b""
        try:
            async with self._http.stream(
                method, self.url + path, content=content, headers=headers
            ) as response:
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) > MAX_ANSWER_BYTES:
                        break
        except _NOT_SENT as error:
            raise Unreachable(f"can't connect to {self.url}: {error}", sent=False) from error
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
            raise Unreachable(f"no answer from {self.url}{path}: {problem}") from error
        if response.is_success:
            return answer
        said = answer.decode(errors="replace")[:_SHOWN_CHARS]
        raise PeerRefused(response.status_code, said)
