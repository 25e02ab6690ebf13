"""Door: who may ask something of this agent, and the proof that it is this agent who answers.

A server that has given us a credential to prove signs what it asks, with a nonce that our last
answer told. It is another one in each life: what somebody has heard who listened at our port while
we were away says nothing to us when we are back.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from ci.agent.secret import Secret
from ci.errors import StaleNonce, Unauthorized
from ci.wire.signature import NONCE_BYTES, SIGNATURE, Proof, read_signed


class Door:
    """Knows the nonce of this life of the agent."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._nonce = secrets.token_urlsafe(NONCE_BYTES)

    def check(
        self, headers: Mapping[str, str], method: str, target: str, *, to_look: bool
    ) -> Proof | None:
        """Return what proves that our server asks; None if it has shown what counts.

        The token is always enough `to_look`. Raises Unauthorized.
        """
        signed = read_signed(headers)
        if signed is None:
            self._secret.check(headers.get("Authorization", ""), to_look=to_look)
            return None
        key = self._secret.server_key
        if key is None or not signed.is_by(key, method, target):
            raise Unauthorized(
                "Signature: is not that of this request by the server of this agent",
                field=SIGNATURE,
            )
        return Proof(key, signed)

    def check_nonce(self, proof: Proof | None) -> None:
        """Return if it was signed for this life of ours. Raises StaleNonce."""
        if proof is not None and proof.signed.nonce != self._nonce:
            raise StaleNonce

    def sign(self, proof: Proof, status: int, body: bytes) -> dict[str, str]:
        """Make the headers that prove the answer."""
        return proof.sign_answer(status, body, self._nonce)
