"""The secret that server and agents show each other: `Authorization: Bearer TOKEN`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from ci.errors import Forbidden, Unauthorized

# Browsers send one of these with every request that a page makes to another place; no agent does.
BROWSER_HEADERS = ("Origin", "Sec-Fetch-Site")


def token_headers(token: str | None) -> dict[str, str]:
    """Make the headers that show `token`, if there is one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def server_secret(credential: str) -> str:
    """Make what the server shows to the agent that has this credential, or signs by.

    It is not the credential itself: while an agent is away, any program on its machine may listen
    at its port, and would hear what to show in its name.
    """
    return f"ncs_{hmac.digest(credential.encode(), b'server', hashlib.sha256).hex()}"


def check_token(header: str, token: str | None) -> None:
    """Compare an Authorization header with the token, in a time that tells nothing of it.

    Anybody may ask when no token is configured. Raises Unauthorized.
    """
    if token is not None and not is_shown(header, token):
        raise Unauthorized("the agent token is missing or wrong", field="Authorization")


def is_shown(header: str, secret: str | None) -> bool:
    """Whether an Authorization header shows this secret, in a time that tells nothing of it."""
    matches = hmac.compare_digest(shown_secret(header).encode(), (secret or "").encode())
    return matches and bool(secret)


def shown_secret(header: str) -> str:
    """Return the secret that an Authorization header shows; "" if there is none."""
    scheme, _, shown = header.partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def refuse_browser(headers: Mapping[str, str]) -> None:
    """Refuse what a web page asks: with its reader's browser it reaches every port of his machine.

    Raises Forbidden.
    """
    if any(name in headers for name in BROWSER_HEADERS):
        raise Forbidden("a web page can't ask for this: it is for agents and their server")


def bare_token(value: object) -> object:
    """Take the scheme off a token that somebody has copied with it: `Bearer TOKEN`."""
    if isinstance(value, str) and value[:7].lower() == "bearer ":
        return value[7:].strip()
    return value
