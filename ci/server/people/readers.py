"""Who sends a request: found out from its cookie or bearer token, without asking the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ci.errors import Unauthorized
from ci.people import Reader, Role, lower
from ci.server.people.sessions import Session, Sessions
from ci.server.people.tokens import Tokens
from ci.server.store.book import Book


@dataclass(frozen=True, slots=True)
class Openness:
    """What somebody without an account may do; None: nothing but log in."""

    without_accounts: Role | None  # as long as there is no account at all
    with_accounts: Role | None


class Readers:
    """Tells readers apart."""

    def __init__(
        self,
        book: Book,
        sessions: Sessions,
        tokens: Tokens,
        openness: Openness,
        now: Callable[[], datetime],
    ) -> None:
        self._book = book
        self._sessions = sessions
        self._tokens = tokens
        self._openness = openness
        self._now = now

    def reader(self, *, session: str, bearer: str, address: str) -> Reader:
        """Say who sends a request with that cookie or bearer token, either of them perhaps "".

        A token counts alone: one that is wrong is not made good by a cookie. Raises Unauthorized.
        """
        if bearer:
            return self._reader_of_token(bearer, address)
        if session and (found := self.session(session)) is not None:
            role = self._book.accounts[found.account].role
            return Reader(found.account, role, session=found.id, address=address)
        openness = self._openness
        of_all = openness.with_accounts if self._book.accounts else openness.without_accounts
        return Reader(role=of_all, address=address)

    def session(self, cookie: str) -> Session | None:
        """Return the session of a cookie that still counts, or None."""
        found = self._sessions.read(cookie, self._now())
        account = self._book.accounts.get(found.account) if found is not None else None
        if found is None or account is None or not account.enabled:
            return None
        return found if found.epoch == account.epoch and found.id not in self._book.ended else None

    def _reader_of_token(self, bearer: str, address: str) -> Reader:
        token = self._tokens.find(bearer)
        account = self._book.accounts.get(token.account) if token is not None else None
        if token is None or account is None or not account.enabled:
            raise Unauthorized("the API token is wrong, revoked or too old", field="Authorization")
        role = lower(token.scope, account.role)
        return Reader(account.name, role, token=token.name, address=address)
