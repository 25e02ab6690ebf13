"""An OpenID provider, as far as we ask it: who it is, its keys, and what a code stands for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import trio

from ci.errors import ProviderFailed
from ci.listen import is_safe_address
from ci.plainanswer import ASK_PLAIN, read_plain

ANSWER_S: Final = 10.0  # somebody waits for it, with a white page
MAX_ANSWER_BYTES: Final = 1 << 20
KEEP_S: Final = 3600.0  # so long it is not asked again who it is, and which keys it has
NEW_KEYS_S: Final = 60.0  # but a key that is not known may be a new one: then it is, so often

Dial = Callable[[], httpx.AsyncClient]


def dial_provider() -> httpx.AsyncClient:
    """Make a client for one log-in. A proxy for the outside world is used if there is one."""
    return httpx.AsyncClient(timeout=httpx.Timeout(None), follow_redirects=False)


@dataclass(frozen=True, slots=True)
class About:
    """What a provider says of itself."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    keys: dict[str, Any]  # a JWK set


class Provider:
    """Asks one provider. Every method raises ProviderFailed."""

    def __init__(self, issuer: str, dial: Dial) -> None:
        self._issuer = issuer
        self._dial = dial
        self._about: About | None = None
        self._asked_s = 0.0

    async def about(self, *, new_keys: bool = False) -> About:
        """Say what it says of itself, or said lately; with `new_keys` some has a key we lack."""
        age_s = trio.current_time() - self._asked_s
        if self._about is None or age_s > (NEW_KEYS_S if new_keys else KEEP_S):
            self._about = await self._ask_about()
            self._asked_s = trio.current_time()
        return self._about

    async def redeem(
        self, code: str, *, client_id: str, secret: str, redirect_uri: str, verifier: str
    ) -> dict[str, Any]:
        """Return what a code stands for: tokens, in JSON."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": client_id,
            "client_secret": secret,
            "code_verifier": verifier,
        }
        return await self._ask((await self.about()).token_endpoint, form=form)

    async def user(self, access_token: str) -> dict[str, Any]:
        """Return what it says of somebody; nothing if it does not."""
        address = (await self.about()).userinfo_endpoint
        if address is None:
            return {}
        return await self._ask(address, headers={"Authorization": f"Bearer {access_token}"})

    async def _ask_about(self) -> About:
        said = await self._ask(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != self._issuer:
            raise ProviderFailed(f"it calls itself {str(said.get('issuer'))[:200]!r}")
        about = About(
            authorization_endpoint=_address(said, "authorization_endpoint"),
            token_endpoint=_address(said, "token_endpoint"),
            userinfo_endpoint=_address(said, "userinfo_endpoint")
            if said.get("userinfo_endpoint")
            else None,
            keys=await self._ask(_address(said, "jwks_uri")),
        )
        if not isinstance(about.keys.get("keys"), list):
            raise ProviderFailed("it has told no keys")
        return about

    async def _ask(
        self,
        address: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            with trio.fail_after(ANSWER_S):
                async with (
                    self._dial() as http,
                    http.stream(
                        "GET" if form is None else "POST",
                        address,
                        data=form,
                        headers=ASK_PLAIN | dict(headers or {}),
                    ) as answer,
                ):
                    body = await read_plain(answer, MAX_ANSWER_BYTES)
        except trio.TooSlowError as error:
            message = f"{_shown(address)} has not answered for {ANSWER_S:g} s"
            raise ProviderFailed(message) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise ProviderFailed(f"{_shown(address)}: {error or type(error).__name__}") from error
        if answer.status_code != httpx.codes.OK:
            raise ProviderFailed(f"{_shown(address)} answered {answer.status_code}")
        try:
            said = json.loads(body)
        except ValueError as error:
            raise ProviderFailed(f"{_shown(address)} has answered no JSON") from error
        if not isinstance(said, dict):
            raise ProviderFailed(f"{_shown(address)} has answered no JSON object")
        return said


def _address(said: dict[str, Any], name: str) -> str:
    address = said.get(name)
    if not isinstance(address, str) or not is_safe_address(address):
        raise ProviderFailed(f"its {name} is {str(address)[:200]!r}, which is no https address")
    return address


def _shown(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"
