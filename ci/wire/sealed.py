"""Secrets on their way to an agent, sealed: nobody reads them but who holds its credential.

Who listens at the port of an agent that is away is handed its jobs: on one machine that may be a
build that was left running. A value is sealed by AES-256-GCM, by a key made of the credential, for
one attempt and one name.
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


def seal_secrets(job: dict[str, Any], credential: str) -> dict[str, Any]:
    """Return the body of `/build` with `sealed` in the place of each secret's `value`."""
    cipher = _cipher(credential)
    secrets = []
    for secret in job["secrets"]:
        nonce = os.urandom(_NONCE_BYTES)
        bound = _bound(job["id"], secret["name"])
        sealed = nonce + cipher.encrypt(nonce, secret["value"].encode(), bound)
        others = {key: value for key, value in secret.items() if key != "value"}
        secrets.append({**others, _SEALED: b64encode(sealed).decode()})
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


def _open(id: object, secret: dict[str, Any], credential: str | None) -> str:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - most agents never need it

    if credential is not None:
        try:
            sealed = b64decode(secret[_SEALED], validate=True)
            nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            bound = _bound(id, secret.get("name"))
            return _cipher(credential).decrypt(nonce, text, bound).decode()
        except (InvalidTag, TypeError, ValueError):
            pass
    raise Rejected("secrets: one is not sealed by this agent's credential", field="secrets")


def _cipher(credential: str) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

    return AESGCM(hmac.digest(credential.encode(), b"secrets", hashlib.sha256))


def _bound(id: object, name: object) -> bytes:
    return json.dumps([id, name]).encode()
