"""API tokens: what programs show. They are kept as their hash alone, and shown once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import trio

from ci.errors import NotFound, Rejected
from ci.people import ApiToken, Asker, Role, name_problem
from ci.server.store.book import Book

PREFIX: Final = "nci_"  # so that one is known where it should not be, such as in a commit
RANDOM_BYTES: Final = 32
MAX_DAYS: Final = 3650
NOTE_USES_EACH_S: Final = 60.0  # when a token was last used is on disk so soon


class Tokens:
    """Makes, finds and revokes them."""

    def __init__(self, book: Book, now: Callable[[], datetime]) -> None:
        self._book = book
        self._now = now
        self._used: dict[int, datetime] = {}  # when, since that was last written

    def find(self, text: str) -> ApiToken | None:
        """Return the token of that text, if it still counts, and note that it was used."""
        token, now = self._book.tokens.get(_digest(text)), self._now()
        if token is None or token.is_over(now):
            return None
        self._used[token.id] = now
        return token

    def all(self, account: str | None = None) -> tuple[ApiToken, ...]:
        """Return those of an account, or all, with when they were last used."""
        found = [token for token in self._book.tokens.values() if account in (None, token.account)]
        found.sort(key=lambda token: (token.account, token.id))
        return tuple(
            replace(token, last_used=self._used.get(token.id, token.last_used)) for token in found
        )

    async def make(
        self, account: str, name: str, scope: Role, *, days: int | None, by: Asker
    ) -> str:
        """Make a token and return its text, which is never shown again.

        It counts for so many `days`, or for ever. Raises Rejected, NotFound, Conflict.
        """
        if problem := name_problem(name):
            raise Rejected(f"name: {problem}", field="name")
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise Rejected(f"days: must be between 1 and {MAX_DAYS}", field="days")
        owner = self._book.accounts.get(account)
        if owner is not None and not owner.role.may(scope):
            message = f"scope: {account} is a {owner.role} and can't give what {scope} may"
            raise Rejected(message, field="scope")
        text, now = PREFIX + secrets.token_urlsafe(RANDOM_BYTES), self._now()
        until = None if days is None else now + timedelta(days=days)
        token = ApiToken(0, account, name, scope, _digest(text), now, until)
        await self._book.add_token(by, token)
        return text

    async def revoke(self, id: int, account: str | None, by: Asker) -> None:
        """Revoke a token of that account, or of any. Raises NotFound."""
        for token in self.all(account):
            if token.id == id:
                await self._book.remove_token(by, token)
                return
        raise NotFound(f"id: there is no token {id}", field="id")

    async def serve_uses(self) -> None:
        """Write down now and then, for ever, when tokens were last used."""
        while True:
            await trio.sleep(NOTE_USES_EACH_S)
            await self.note_uses()

    async def note_uses(self) -> None:
        """Write down when tokens were last used."""
        used, self._used = self._used, {}
        if used:
            await self._book.tokens_used(used)


def _digest(text: str) -> str:
    """A plain hash will do: of 256 random bits nobody finds the text again."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
