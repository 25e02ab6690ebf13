"""Secrets on their way to an agent, sealed: nobody reads them but who they are for.

Who listens at the port of an agent that is away is handed its jobs: on one machine that may be a
build that was left running. A value is sealed by AES-256-GCM, by a key made of the credential, for
one attempt and one name. So is the credential itself, by a key made of the token, for one agent.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from ci.errors import Rejected

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12  # as AES-GCM has it
_SEALED: Final = "sealed"
_SECRETS: Final = b"secrets"  # what a key is for
_CREDENTIAL: Final = b"credential"


def seal_secrets(job: dict[str, Any], credential: str) -> dict[str, Any]:
    """Return the body of `/build` with `sealed` in the place of each secret's `value`."""
    cipher = _cipher(credential, _SECRETS)
    secrets = []
    for secret in job["secrets"]:
        sealed = _seal(cipher, secret["value"], _bound(job["id"], secret["name"]))
        others = {key: value for key, value in secret.items() if key != "value"}
        secrets.append({**others, _SEALED: sealed})
    return {**job, "secrets": secrets}


def open_secrets(body: bytes, credential: str | None) -> bytes:
    """Return the body of `/build` with each secret's `value`, as `seal_secrets` was given it.

    What is no such body is returned as it is: whoever reads it says what is wrong. Raises Rejected
    when one is not sealed for the holder of this credential.
    """
    if f'"{_SEALED}"'.encode() not in body:
        return body
    try:
        job = json.loads(body)
    except ValueError:
        return body
    if not isinstance(job, dict) or not isinstance(job.get("secrets"), list):
        return body
    for secret in job["secrets"]:
        if isinstance(secret, dict) and _SEALED in secret:
            secret["value"] = _open(job.get("id"), secret, credential)
            del secret[_SEALED]
    return json.dumps(job).encode()


def seal_credential(credential: str, token: str, agent: str) -> str:
    """Return the credential as only who has the token reads it."""
    return _seal(_cipher(token, _CREDENTIAL), credential, _bound(agent, _CREDENTIAL.decode()))


def open_credential(sealed: str, token: str, agent: str) -> str:
    """Return the credential that `seal_credential` was given. Raises Rejected."""
    credential = _unsealed(sealed, token, _CREDENTIAL, _bound(agent, _CREDENTIAL.decode()))
    if credential is None:
        raise Rejected("the credential is not sealed by this token, for this agent")
    return credential


def _open(id: object, secret: dict[str, Any], credential: str | None) -> str:
    if credential is not None:
        bound = _bound(id, secret.get("name"))
        value = _unsealed(secret[_SEALED], credential, _SECRETS, bound)
        if value is not None:
            return value
    raise Rejected("secrets: one is not sealed by this agent's credential", field="secrets")


def _seal(cipher: AESGCM, value: str, bound: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return b64encode(nonce + cipher.encrypt(nonce, value.encode(), bound)).decode()


def _unsealed(sealed: object, key: str, purpose: bytes, bound: bytes) -> str | None:
    """Return what was sealed; None if it was not by this key, or is bound to something else."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - most agents never need it

    if not isinstance(sealed, str):
        return None
    try:
        data = b64decode(sealed, validate=True)
        cipher = _cipher(key, purpose)
        return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound).decode()
    except (InvalidTag, ValueError):
        return None


def _cipher(secret: str, purpose: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

    return AESGCM(hmac.digest(secret.encode(), purpose, hashlib.sha256))


def _bound(id: object, name: object) -> bytes:
    return json.dumps([id, name]).encode()
