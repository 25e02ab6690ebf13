"""What this agent shows to its server, a credential of its own or the token, and takes from it.

The server shows what is made of the credential, never the credential itself.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from ci import blocking
from ci.errors import ConfigError
from ci.logfile import sync_folder
from ci.wire.token import check_token, is_shown, server_secret

FILE: Final = "credential.json"
ONLY_OURS: Final = 0o600


class Secret:
    """The token that all share, and the credential that this agent was given for it, if any.

    The credential counts alone as soon as the server is known to use it: from what the server has
    answered to it, or from the file in which it is kept.
    """

    def __init__(self, data_dir: Path, name: str, token: str | None, own: str | None) -> None:
        self._data_dir = data_dir
        self._name = name
        self.token = token
        self.own = own
        self._is_used = own is not None

    @property
    def shown(self) -> str | None:
        """What to show to the server."""
        return self.own or self.token

    async def keep(self, credential: str) -> None:
        """Keep a new credential; when this returns it is on disk."""
        text = json.dumps({"agent": self._name, "credential": credential})
        await blocking.run(_write, self._data_dir / FILE, text)
        self.own = credential
        self._is_used = False

    def note_used(self) -> None:
        """Note that the server has taken the credential: nothing else counts from now on."""
        self._is_used = self.own is not None

    def check(self, header: str, *, to_look: bool = False) -> None:
        """Return if this header may ask something of us; the token is always enough `to_look`.

        Raises Unauthorized.
        """
        takes_token = self.token is not None and (to_look or not self._is_used)
        if not (takes_token and is_shown(header, self.token)):
            check_token(header, self.token if self.own is None else server_secret(self.own))


def open_secret(data_dir: Path, name: str, token: str | None) -> Secret:
    """Read the credential that this agent was given in an earlier life under this name. Blocks."""
    path = data_dir / FILE
    own = None
    if path.exists():
        try:
            kept = json.loads(path.read_text("utf-8"))
            own = str(kept["credential"]) if kept["agent"] == name else None
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path}: is not what an agent has written; remove it, and let the agent enrol "
                "again on its page"
            ) from error
    return Secret(data_dir, name, token, own)


def _write(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_OURS)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_folder(path.parent)
