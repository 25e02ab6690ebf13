"""Badges: how this agent makes itself known to its server, and which answers it takes for its own.

Each call is signed. Whoever has the secret signs his answer too, and from the first such answer on
no other counts: it may be of any program that listens in the server's place. Until then we may have
a server before us that others wrote, or an older one: what it answers counts as it is, and if it
says that we are nobody, it is shown the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import structlog

from ci.errors import Unproved
from ci.wire.signature import SIGNATURE, TOKEN_KEY, Key
from ci.wire.token import token_headers

WRONG_SECRET: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

log = structlog.get_logger()


@dataclass(slots=True)
class Trust:
    """What is known of the server: `proves` that it has what we have, so nothing is shown to it."""

    proves: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """The headers of one request."""

    headers: Mapping[str, str]
    nonce: str = ""


class Badge:
    """Nothing, or a secret: the token, or this agent's credential."""

    def __init__(self, key: Key | None, trust: Trust) -> None:
        self._key = key
        self._trust = trust
        self._nonce = ""
        self._shows = False

    def forget_shown(self) -> None:
        """Try anew if the server knows of proofs: it may be a newer one by now."""
        self._shows = False

    def make_pass(self, method: str, target: str, body: bytes) -> Pass:
        """Make what proves one request, or shows the secret. `target` is path and query."""
        if self._key is None:
            return Pass({})
        if self._shows and not self._trust.proves:
            return Pass(token_headers(self._key.secret))
        nonce = self._nonce
        return Pass(self._key.sign_request(method, target, body, nonce), nonce)

    def is_answer(self, sent: Pass, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether that counts as the answer to a request; if not, make another pass for it.

        Raises Unproved.
        """
        if self._key is None or SIGNATURE not in sent.headers:
            return True
        nonce = self._key.read_answer(sent.headers[SIGNATURE], status, headers, body)
        if nonce is not None:
            self._trust.proves = True
            self._nonce = nonce
            return status != HTTPStatus.UNAUTHORIZED or nonce == sent.nonce
        if self._trust.proves:
            raise Unproved(status, "server that this agent knows")
        if status not in WRONG_SECRET:
            return True
        if not self._shows:
            what = "the agentToken" if self._key.id == TOKEN_KEY else "this agent's credential"
            log.warning("secret shown", secret=what, why="the server does not know it by a proof")
        self._shows = True
        return False
