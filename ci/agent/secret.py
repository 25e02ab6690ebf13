"""By what this agent is known to its server, a credential of its own or the token, and it to us.

The server signs what it asks; or, if the credential is one to show, it shows what is made of that.
We show nothing to a server that has once proved that it has what we have.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ci import blocking
from ci.agent.badge import Badge, Trust
from ci.errors import ConfigError, Unauthorized
from ci.logfile import sync_folder
from ci.wire.signature import INPUT, PROVED_PREFIX, TOKEN_KEY, Key, credential_key, server_key
from ci.wire.token import check_token, is_shown, server_secret

FILE: Final = "credential.json"
ONLY_OURS: Final = 0o600


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands in the file. `proves`: by this credential the server has proved itself."""

    credential: str | None = None
    proves: bool = False


NOTHING: Final = Kept()


class Secret:
    """The token that all share, and the credential that this agent was given for it, if any.

    The credential counts alone as soon as the server is known to use it: from what the server has
    answered to it, or from the file in which it is kept.
    """

    def __init__(self, data_dir: Path, name: str, token: str | None, kept: Kept = NOTHING) -> None:
        self._data_dir = data_dir
        self._name = name
        self.token = token
        self._kept = kept
        self._is_used = kept.credential is not None
        self.trust = Trust(proves=kept.proves or self.server_key is not None)
        self.token_badge = Badge(None if token is None else Key(TOKEN_KEY, token), self.trust)
        self._own_badge = self._badge_of(kept)

    @property
    def own(self) -> str | None:
        """The credential."""
        return self._kept.credential

    @property
    def server_key(self) -> Key | None:
        """By what the server signs; None if it shows something instead."""
        own = self.own or ""
        return server_key(own) if own.startswith(PROVED_PREFIX) else None

    @property
    def badge(self) -> Badge:
        """By what to make ourselves known to the server."""
        return self._own_badge or self.token_badge

    async def keep(self, credential: str) -> None:
        """Keep a new credential; when this returns it is on disk."""
        await self._write(Kept(credential, self.trust.proves))
        self._own_badge = self._badge_of(self._kept)
        self._is_used = False

    async def note_used(self) -> None:
        """Note that the server has taken the credential: nothing else counts from now on.

        That it has proved itself is on disk when this returns.
        """
        self._is_used = self.own is not None
        if self.trust.proves and not self._kept.proves:
            await self._write(replace(self._kept, proves=True))

    async def _write(self, kept: Kept) -> None:
        words = {"agent": self._name, "credential": kept.credential, "proves": kept.proves}
        await blocking.run(_write, self._data_dir / FILE, json.dumps(words))
        self._kept = kept

    def _badge_of(self, kept: Kept) -> Badge | None:
        credential = kept.credential
        return None if credential is None else Badge(credential_key(credential), self.trust)

    def check(self, header: str, *, to_look: bool = False) -> None:
        """Return if this header may ask something of us; the token is always enough `to_look`.

        Raises Unauthorized.
        """
        if to_look and is_shown(header, self.token):
            return
        if self.token is not None and not self._is_used:
            # A server to which we have proved that we have it shows what is made of it.
            for secret in (self.token, server_secret(self.token)):
                if is_shown(header, secret):
                    return
        if self.server_key is not None:
            raise Unauthorized("the server of this agent signs what it asks", field=INPUT)
        check_token(header, self.token if self.own is None else server_secret(self.own))


def open_secret(data_dir: Path, name: str, token: str | None) -> Secret:
    """Read the credential that this agent was given in an earlier life under this name. Blocks."""
    path = data_dir / FILE
    known = NOTHING
    if path.exists():
        try:
            kept = json.loads(path.read_text("utf-8"))
            own = str(kept["credential"])
            proves = kept.get("proves") is True  # also to one that has another name now
            known = Kept(own if kept["agent"] == name else None, proves)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path}: is not what an agent has written; remove it, and let the agent enrol "
                "again on its page"
            ) from error
    return Secret(data_dir, name, token, known)


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
