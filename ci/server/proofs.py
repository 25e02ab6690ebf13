"""Proofs: which signed calls of agents count, and the signatures of the answers to them.

Each key has a nonce that counts, told by each answer: another one in each life of the server, and
after each registration of an agent that has a credential. So what somebody has heard while we were
away says nothing to us when we are back, and an old registration leads our calls nowhere.
"""

from __future__ import annotations

import secrets

from ci.errors import StaleNonce, Unauthorized
from ci.server.enrolments import TOKEN_HOLDER, Caller, Enrolments
from ci.wire.signature import NONCE_BYTES, SIGNATURE, TOKEN_KEY, Key, Proof, Signed


class Proofs:
    """Knows the nonces of this life of the server."""

    def __init__(self, enrolments: Enrolments) -> None:
        self._enrolments = enrolments
        self._nonces: dict[str, str] = {}  # by key; only of keys that somebody has

    def check(self, signed: Signed, method: str, target: str) -> Proof | None:
        """Return what a signature proves: None where nobody has to prove anything.

        Raises Unauthorized.
        """
        key = self._enrolments.key(signed.key_id)
        if key is not None and signed.is_by(key, method, target):
            return Proof(key, signed)
        if not self._enrolments.asks:
            return None
        raise Unauthorized(
            "Signature: is not that of this request by a key that counts; the secret is another "
            "one, or method, path, query or Content-Digest were changed on the way",
            field=SIGNATURE,
        )

    def caller(self, proof: Proof | None) -> Caller:
        """Say who calls. Raises AgentRevoked, StaleNonce."""
        if proof is None:
            return TOKEN_HOLDER
        caller = self._enrolments.signer(proof.key)
        if proof.signed.nonce != self._nonce(proof.key):
            raise StaleNonce
        return caller

    def renew(self, proof: Proof | None) -> None:
        """Let no other request count that was signed with the nonce of this one.

        The token's is that of many agents, which would take it away from each other.
        """
        if proof is not None and proof.key.id != TOKEN_KEY:
            self._nonces[proof.key.id] = secrets.token_urlsafe(NONCE_BYTES)

    def sign(self, proof: Proof, status: int, body: bytes) -> dict[str, str]:
        """Make the headers that prove the answer to a request, and tell the next nonce."""
        return proof.sign_answer(status, body, self._nonce(proof.key))

    def _nonce(self, key: Key) -> str:
        if key.id not in self._nonces:
            self._nonces[key.id] = secrets.token_urlsafe(NONCE_BYTES)
        return self._nonces[key.id]
