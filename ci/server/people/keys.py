"""The key file: one secret from which those that the server signs and encrypts with are derived.

It lies outside the data folder, so that whoever gets a back-up of that has neither sessions nor
secrets.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from ci.errors import ConfigError
from ci.logfile import sync_folder

KEY_BYTES: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Keys:
    """Derives a key for each purpose, so that none is used for two things."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    def derive(self, purpose: str) -> bytes:
        """Return the 32 bytes that belong to `purpose`, always the same ones."""
        return hmac.digest(self._master, purpose.encode(), hashlib.sha256)


def open_keys(path: Path) -> Keys:
    """Read the key file, or make it. Blocks. Raises ConfigError when that can't be."""
    try:
        try:
            text = _read(path)
        except FileNotFoundError:
            text = _make(path)
    except OSError as error:
        raise ConfigError(
            f"keyFile = {str(path)!r}: can't be read or made ({error.strerror}); "
            "mend that, or name another file"
        ) from error
    try:
        master = bytes.fromhex(text.strip())
    except ValueError:
        master = b""
    if len(master) != KEY_BYTES:
        raise ConfigError(
            f"keyFile = {str(path)!r}: is not {2 * KEY_BYTES} hexadecimal digits; restore it, or "
            "remove it: then everybody has to log in again, and secrets have to be set again"
        )
    return Keys(master)


def _read(path: Path) -> str:
    with path.open(encoding="ascii", errors="replace") as file:
        if os.fstat(file.fileno()).st_mode & _OTHERS:
            raise ConfigError(
                f"keyFile = {str(path)!r}: others may read or write it; "
                f"take that right from them: chmod 600 {path}"
            )
        return file.read(4 * KEY_BYTES)


def _make(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = secrets.token_hex(KEY_BYTES)
    # Under another name first: a crash must not leave half a key behind.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, f"{text}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    sync_folder(path.parent)
    return text
