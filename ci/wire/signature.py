"""Signatures: who calls proves that it has a secret, and so does who answers; nobody shows it.

Without TLS any program may listen at the port of a server that is away, and would hear for ever
what to show in an agent's name. Of a signature it has nothing but that one request.

The form is that of RFC 9421 by hmac-sha256, with the Content-Digest of RFC 9530. Of its many
spellings only the one below counts, so that nothing has to be parsed before it is known whose it
is. A request and its answer are signed by two keys, both made of the secret: neither is ever taken
for the other. A nonce, which the last answer has told, makes a request worthless later on.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ci.errors import Unauthorized
from ci.wire.token import server_secret

INPUT: Final = "Signature-Input"
SIGNATURE: Final = "Signature"
DIGEST: Final = "Content-Digest"
TOKEN_KEY: Final = "agentToken"  # noqa: S105 - names what all agents share; no credential is so named
PROVED_PREFIX: Final = "ncp_"  # of a credential that neither end ever shows
NONCE_BYTES: Final = 16  # nobody guesses it before it is told
MOST_PASSES: Final = 4  # of one call: with the nonce before, with the one that counts, two to spare

_OF_REQUEST: Final = '("@method" "@request-target" "content-digest")'
_OF_ANSWER: Final = '("@status" "content-digest" "signature";req;key="sig")'
_WORD: Final = r"[A-Za-z0-9_=.-]"
_PARAMETERS: Final = rf';nonce="({_WORD}{{0,100}})";keyid="({_WORD}{{1,1000}})";alg="hmac-sha256"'
_INPUT_OF_REQUEST: Final = re.compile(rf"sig=({re.escape(_OF_REQUEST)}{_PARAMETERS})")
_INPUT_OF_ANSWER: Final = re.compile(rf"sig=({re.escape(_OF_ANSWER)}{_PARAMETERS})")
_SIGNATURE: Final = re.compile(r"sig=(:[A-Za-z0-9+/]{43}=:)")


@dataclass(frozen=True, slots=True)
class Key:
    """A secret that both ends have, and the name by which they speak of it."""

    id: str
    secret: str = field(repr=False)

    def sign_request(self, method: str, target: str, body: bytes, nonce: str) -> dict[str, str]:
        """Make the headers that prove a request. `target` is its path with its query."""
        parameters = f'{_OF_REQUEST};nonce="{nonce}";keyid="{self.id}";alg="hmac-sha256"'
        digest = _digest(body)
        return {
            DIGEST: digest,
            INPUT: f"sig={parameters}",
            SIGNATURE: f"sig={_request(self.secret, method, target, digest, parameters)}",
        }

    def sign_answer(self, signed: str, status: int, body: bytes, nonce: str) -> dict[str, str]:
        """Make the headers that prove the answer to the request whose `Signature` was `signed`.

        `nonce` is that of the next request.
        """
        parameters = f'{_OF_ANSWER};nonce="{nonce}";keyid="{self.id}";alg="hmac-sha256"'
        digest = _digest(body)
        proof = _answer(self.secret, status, digest, signed.removeprefix("sig="), parameters)
        return {DIGEST: digest, INPUT: f"sig={parameters}", SIGNATURE: f"sig={proof}"}

    def read_answer(
        self, signed: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> str | None:
        """Return the nonce of the next request, of an answer that is proved; of others None."""
        said = _INPUT_OF_ANSWER.fullmatch(headers.get(INPUT, ""))
        if said is None or said[3] != self.id:
            return None
        digest = _digest(body)
        proof = _answer(self.secret, status, digest, signed.removeprefix("sig="), said[1])
        is_ours = hmac.compare_digest(f"sig={proof}".encode(), headers.get(SIGNATURE, "").encode())
        return said[2] if is_ours else None


def server_key(credential: str) -> Key:
    """Return the key of what the server asks of the agent with this credential."""
    return Key(credential_key(credential).id, server_secret(credential))


def credential_key(credential: str) -> Key:
    """Return the key that an agent's credential is: what stands first in it is its name."""
    return Key(credential.partition(".")[0], credential)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request says that proves it. Nothing of it counts before `is_by`."""

    key_id: str
    nonce: str
    signature: str  # the header, as it came
    _parameters: str
    _digest: str

    def is_by(self, key: Key, method: str, target: str) -> bool:
        """Whether all but the body was signed by this key, in a time that tells nothing."""
        proof = _request(key.secret, method, target, self._digest, self._parameters)
        return hmac.compare_digest(f"sig={proof}".encode(), self.signature.encode())

    def check_body(self, body: bytes) -> None:
        """Compare the body with what was signed. Raises Unauthorized."""
        if not hmac.compare_digest(_digest(body).encode(), self._digest.encode()):
            raise Unauthorized(
                "Content-Digest: the body is not the one that was signed", field=DIGEST
            )


@dataclass(frozen=True, slots=True)
class Proof:
    """A request whose head is signed by a key that counts."""

    key: Key
    signed: Signed

    def sign_answer(self, status: int, body: bytes, nonce: str) -> dict[str, str]:
        """Make the headers that prove the answer, and tell the nonce of the next request."""
        return self.key.sign_answer(self.signed.signature, status, body, nonce)


def read_signed(headers: Mapping[str, str]) -> Signed | None:
    """Return what a request says that proves it, if it says anything. Raises Unauthorized."""
    said = headers.get(INPUT)
    if said is None:
        return None
    parts = _INPUT_OF_REQUEST.fullmatch(said)
    if parts is None:
        raise Unauthorized(
            f'{INPUT}: must be sig={_OF_REQUEST};nonce="…";keyid="…";alg="hmac-sha256"', field=INPUT
        )
    signature = headers.get(SIGNATURE, "")
    if _SIGNATURE.fullmatch(signature) is None:
        raise Unauthorized(f"{SIGNATURE}: must be sig=:…: with 32 bytes in base64", field=SIGNATURE)
    return Signed(parts[3], parts[2], signature, parts[1], headers.get(DIGEST, ""))


def _request(secret: str, method: str, target: str, digest: str, parameters: str) -> str:
    lines = (
        f'"@method": {method}',
        f'"@request-target": {target}',
        f'"content-digest": {digest}',
        f'"@signature-params": {parameters}',
    )
    return _mac(secret, b"requests", lines)


def _answer(secret: str, status: int, digest: str, signed: str, parameters: str) -> str:
    lines = (
        f'"@status": {status}',
        f'"content-digest": {digest}',
        f'"signature";req;key="sig": {signed}',
        f'"@signature-params": {parameters}',
    )
    return _mac(secret, b"answers", lines)


def _mac(secret: str, purpose: bytes, lines: tuple[str, ...]) -> str:
    key = hmac.digest(secret.encode(), purpose, hashlib.sha256)
    return _base64(hmac.digest(key, "\n".join(lines).encode(), hashlib.sha256))


def _digest(body: bytes) -> str:
    return f"sha-256={_base64(hashlib.sha256(body).digest())}"


def _base64(data: bytes) -> str:
    return f":{b64encode(data).decode()}:"
