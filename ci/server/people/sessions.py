"""Sessions: what the cookies say, signed so that only this server can have made them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer

from ci.server.people.keys import Keys

_ID_BYTES: Final = 12
DEVICE_DAYS: Final = 365  # a browser that has logged in once is known so long


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that has logged in."""

    account: str
    epoch: int  # of the account when it began
    id: str
    expires_at: datetime


class Sealed:
    """Keeps a list of words and numbers with a browser that can read but not change it."""

    def __init__(self, keys: Keys, purpose: str) -> None:
        self._serializer = _serializer(keys, purpose)

    def write(self, values: list[Any]) -> str:
        """Return the text of a cookie."""
        return self._serializer.dumps(values)

    def read(self, cookie: str) -> list[Any] | None:
        """Return what a cookie of ours has, or None."""
        try:
            values: list[Any] = self._serializer.loads(cookie)
        except (BadData, ValueError, TypeError):
            return None
        return values


class Sessions:
    """Writes and reads the cookies of sessions and devices, and the tokens of forms."""

    def __init__(self, keys: Keys, lifetime: timedelta) -> None:
        self._lifetime = lifetime
        self._sessions = _serializer(keys, "session")
        self._devices = _serializer(keys, "device")
        self._forms = keys.derive("form")

    def begin(self, account: str, epoch: int, now: datetime) -> Session:
        """Begin a session."""
        id = secrets.token_urlsafe(_ID_BYTES)
        return Session(account, epoch, id, now.replace(microsecond=0) + self._lifetime)

    def write(self, session: Session) -> str:
        """Return the text of its cookie."""
        return self._sessions.dumps(
            [session.account, session.epoch, session.id, int(session.expires_at.timestamp())]
        )

    def read(self, cookie: str, now: datetime) -> Session | None:
        """Return the session of a cookie; None when it is not ours or its time is up."""
        try:
            account, epoch, id, expires = self._sessions.loads(cookie)
        except (BadData, ValueError, TypeError):
            return None
        session = Session(account, epoch, id, datetime.fromtimestamp(expires, UTC))
        return session if session.expires_at > now else None

    def write_device(self, account: str, now: datetime) -> str:
        """Return the text of the cookie by which a browser that has logged in is known again."""
        until = now + timedelta(days=DEVICE_DAYS)
        id = secrets.token_urlsafe(_ID_BYTES)
        return self._devices.dumps([account, id, int(until.timestamp())])

    def read_device(self, cookie: str, account: str, now: datetime) -> str | None:
        """Return the id of a browser that has logged in to that account before, or None."""
        try:
            known, id, expires = self._devices.loads(cookie)
        except (BadData, ValueError, TypeError):
            return None
        fits = known == account and expires > now.timestamp()
        return str(id) if fits else None

    def form_token(self, session: str) -> str:
        """Return what every form of that session carries; another site can't read it."""
        return hmac.new(self._forms, session.encode(), hashlib.sha256).hexdigest()


def _serializer(keys: Keys, purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        keys.derive(purpose), salt=purpose, signer_kwargs={"digest_method": hashlib.sha256}
    )
