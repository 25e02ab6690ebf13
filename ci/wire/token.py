"""The secret that server and agents show each other: `Authorization: Bearer TOKEN`."""

from __future__ import annotations

import hmac

from ci.errors import Unauthorized


def token_headers(token: str | None) -> dict[str, str]:
    """Make the headers that show `token`, if there is one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def check_token(header: str, token: str | None) -> None:
    """Compare an Authorization header with the token, in a time that tells nothing of it.

    Anybody may ask when no token is configured. Raises Unauthorized.
    """
    if token is None:
        return
    scheme, _, shown = header.partition(" ")
    matches = hmac.compare_digest(shown.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not matches:
        raise Unauthorized("the agent token is missing or wrong", field="Authorization")
