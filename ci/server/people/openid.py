"""Log-in by an OpenID provider: the authorization code flow with PKCE, and roles by a claim.

Source: OpenID Connect Core 1.0, RFC 7636 (PKCE), RFC 9700 (what is good practice today).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from ci.errors import Forbidden, ProviderFailed, Unauthorized
from ci.people import MAX_NAME_CHARS, Role
from ci.server.people.provider import Provider
from ci.server.people.sessions import Sealed

BEGUN_S: Final = 600.0  # somebody may have to find a second factor first
LEEWAY_S: Final = 60  # between the provider's clock and ours
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
ANYBODY: Final = "*"  # in the place of a group: whoever can log in there
_RANDOM_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Terms:
    """What the settings say of the provider."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    role_claim: str
    roles: Mapping[Role, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Begun:
    """A log-in that goes on at the provider: where, and the cookie to come back with."""

    address: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has come back, and where they wanted to go."""

    subject: str  # of the provider and never another's; names there may change
    name: str  # a proposal
    role: Role
    next: str


class OpenID:
    """Sends people to a provider and reads what they come back with."""

    def __init__(
        self, terms: Terms, provider: Provider, sealed: Sealed, now: Callable[[], datetime]
    ) -> None:
        self._terms = terms
        self._provider = provider
        self._sealed = sealed
        self._now = now

    async def begin(self, next: str) -> Begun:
        """Send somebody there. Raises ProviderFailed."""
        about = await self._provider.about()
        state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._terms.client_id,
                "redirect_uri": self._terms.redirect_uri,
                "scope": "openid profile email",
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge.rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
        )
        joint = "&" if "?" in about.authorization_endpoint else "?"
        until = self._now().timestamp() + BEGUN_S
        cookie = self._sealed.write([state, nonce, verifier, next, until])
        return Begun(f"{about.authorization_endpoint}{joint}{query}", cookie)

    async def finish(self, cookie: str, said: Mapping[str, str]) -> Identity:
        """Say who has come back, with that cookie and these parameters.

        Raises Unauthorized, Forbidden for somebody who has no role here, ProviderFailed.
        """
        begun = self._sealed.read(cookie)
        if begun is None or begun[4] < self._now().timestamp():
            raise Unauthorized("the log-in took too long, or began in another browser; begin again")
        state, nonce, verifier, next, _ = begun
        if not hmac.compare_digest(said.get("state", "").encode(), str(state).encode()):
            raise Unauthorized("this is the answer to another log-in; begin again")
        if "code" not in said:
            why = said.get("error_description") or said.get("error") or "no reason was told"
            raise Unauthorized(f"the provider has refused: {why[:300]}")
        tokens = await self._provider.redeem(
            said["code"],
            client_id=self._terms.client_id,
            secret=self._terms.client_secret,
            redirect_uri=self._terms.redirect_uri,
            verifier=verifier,
        )
        claims = await self._claims(str(tokens.get("id_token", "")), nonce)
        if self._terms.role_claim not in claims and isinstance(tokens.get("access_token"), str):
            more = await self._provider.user(tokens["access_token"])
            if more.get("sub") == claims["sub"]:  # else it tells of somebody else
                claims = more | claims
        role = self._role(claims.get(self._terms.role_claim))
        if role is None:
            raise Forbidden(
                "who you are is known, but no group of yours has a role here; ask an administrator"
            )
        return Identity(f"{self._terms.issuer} {claims['sub']}", _name(claims), role, str(next))

    async def _claims(self, id_token: str, nonce: str) -> dict[str, Any]:
        """Read an ID token that the provider has signed, for us, for this log-in, and lately."""
        from joserfc import jwt  # noqa: PLC0415 - half of the servers never need it
        from joserfc.errors import JoseError  # noqa: PLC0415 - as above
        from joserfc.jwk import KeySet  # noqa: PLC0415 - as above

        for new_keys in (False, True):
            about = await self._provider.about(new_keys=new_keys)
            try:
                keys = KeySet.import_key_set(about.keys)  # type: ignore[arg-type]  # it checks
                claims = jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
                break
            except (JoseError, ValueError, TypeError, KeyError) as error:
                failed = error
        else:
            raise ProviderFailed(f"its token can't be read ({failed})") from failed
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now = self._now().timestamp()
        wrong = [
            what
            for what, fits in (
                ("iss", claims.get("iss") == self._terms.issuer),
                ("aud", self._terms.client_id in audiences),
                ("azp", claims.get("azp", self._terms.client_id) == self._terms.client_id),
                ("azp", len(audiences) == 1 or "azp" in claims),
                ("exp", _is_number(claims.get("exp")) and claims["exp"] > now - LEEWAY_S),
                ("iat", _is_number(claims.get("iat")) and claims["iat"] < now + LEEWAY_S),
                ("nonce", claims.get("nonce") == nonce),
                ("sub", isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= 255),
            )
            if not fits
        ]
        if wrong:
            raise ProviderFailed(f"its token is not for this log-in: {wrong[0]} is wrong")
        return dict(claims)

    def _role(self, told: object) -> Role | None:
        """The highest role that one of somebody's groups has."""
        groups = told if isinstance(told, list) else [told]
        found = [
            role
            for role in Role
            if any(group in (ANYBODY, *groups) for group in self._terms.roles.get(role, ()))
        ]
        return found[-1] if found else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(claims: Mapping[str, Any]) -> str:
    """Make a name of an account of what the provider calls somebody."""
    for claim in ("preferred_username", "email", "name", "sub"):
        told = claims.get(claim)
        if isinstance(told, str):
            plain = "".join(
                letter if letter.isascii() and (letter.isalnum() or letter in "._@+-") else "-"
                for letter in told
            )
            plain = plain.strip("._@+-")[: MAX_NAME_CHARS - 5].rstrip("._@+-")
            if plain:
                return plain
    return "somebody"
