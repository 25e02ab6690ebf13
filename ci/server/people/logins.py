"""Logging in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import trio

from ci.errors import Busy, Rejected, TooManyTries, Unauthorized
from ci.people import MAX_NAME_CHARS, MAX_PASSWORD_CHARS, Account, Asker
from ci.server.people.accounts import Accounts
from ci.server.people.openid import Identity
from ci.server.people.passwords import Passwords
from ci.server.people.readers import Readers
from ci.server.people.sessions import Sessions
from ci.server.people.throttle import Throttle
from ci.server.store.book import Book


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """What a browser is given: the texts of two cookies, and until when the first one counts."""

    session: str
    device: str
    expires_at: datetime


class Logins:
    """Begins and ends sessions."""

    def __init__(
        self,
        book: Book,
        accounts: Accounts,
        sessions: Sessions,
        readers: Readers,
        *,
        passwords: Passwords,
        now: Callable[[], datetime],
    ) -> None:
        self._book = book
        self._accounts = accounts
        self._sessions = sessions
        self._readers = readers
        self._passwords = passwords
        self._now = now
        self._throttle = Throttle()

    async def log_in(self, name: str, password: str, *, address: str, device: str) -> LoggedIn:
        """Begin a session. `device` is the cookie of a browser that has logged in before, or "".

        Raises Unauthorized, TooManyTries, Busy, Conflict.
        """
        name = name[: MAX_NAME_CHARS + 1]  # no account has a longer one
        known = self._sessions.read_device(device, name, self._now())
        account = self._book.accounts.get(name)
        kept = account.password if account is not None and account.enabled else None
        if not await self._is_right(name, kept, password, address, known):
            # A name that is no account's may be a password, typed into the wrong field.
            shown = name if account is not None else "(there is none of that name)"
            await self._book.note(Asker("", address), "failed to log in", f"account {shown}")
            raise Unauthorized("the name or the password is wrong", field="password")
        assert account is not None  # no password is right where there is none
        changes: dict[str, object] = {"last_seen": self._now()}
        if kept is not None and self._passwords.is_outdated(kept):
            changes["password"] = await self._passwords.hash(password)
        return await self._begin(account, Asker(name, address), changes)

    async def log_in_from_elsewhere(self, who: Identity, address: str) -> LoggedIn:
        """Begin a session of somebody whom an OpenID provider knows. Raises Unauthorized, Busy."""
        now = self._now()
        found = Account(who.name, who.role, now, subject=who.subject, last_seen=now)
        account = await self._book.open_account(Asker("", address), found)
        if not account.enabled:
            raise Unauthorized("this account is shut out; ask an administrator")
        return self._session(account)

    async def _begin(self, account: Account, by: Asker, changes: Mapping[str, object]) -> LoggedIn:
        """Begin a session of an account as it was when its owner was known by the password.

        To compare takes a while. Who was shut out, or whose password was changed meanwhile, is not
        let in by the old one. Raises Conflict.
        """
        changed = await self._book.change_account(
            by, account.name, "logged in", changes, in_epoch=account.epoch
        )
        return self._session(changed)

    def _session(self, account: Account) -> LoggedIn:
        now = self._now()
        session = self._sessions.begin(account.name, account.epoch, now)
        device = self._sessions.write_device(account.name, now)
        return LoggedIn(self._sessions.write(session), device, session.expires_at)

    async def log_out(self, cookie: str, by: Asker) -> None:
        """End the session of a cookie; nothing if it is over already."""
        if (session := self._readers.session(cookie)) is not None:
            await self._book.end_session(by, session.account, session.id, session.expires_at)

    async def change_password(self, name: str, old: str, new: str, by: Asker) -> LoggedIn:
        """Let somebody change their own password; every other session of theirs ends.

        Raises Rejected, TooManyTries, Busy, Conflict.
        """
        account = self._accounts.get(name)
        if not await self._is_right(name, account.password, old, by.address, known=None):
            raise Rejected("old: it is not the present password", field="old")
        changed = await self._accounts.set_password(name, new, by, in_epoch=account.epoch)
        return await self._begin(changed, by, {"last_seen": self._now()})

    async def _is_right(
        self, name: str, kept: str | None, password: str, address: str, known: str | None
    ) -> bool:
        now_s = trio.current_time()
        wait_s = self._throttle.wait_s(name, address, known, now_s)
        if wait_s > 0:
            raise TooManyTries(wait_s)
        if self._passwords.is_busy:
            raise Busy("many log in just now; try again in a moment")
        self._throttle.begin(name, address, known, now_s)
        right = await self._passwords.matches(kept, password[: MAX_PASSWORD_CHARS + 1])
        if right:
            self._throttle.succeeded(name, address, known)
        return right
