"""People without a store: the real ones, over a book in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from argon2 import PasswordHasher

from ci.errors import Conflict
from ci.people import Account, ApiToken, Asker, AuditEntry, Role
from ci.server.people.keys import Keys
from ci.server.people.passwords import Passwords
from ci.server.people.people import People, make_people
from ci.server.people.provider import dial_provider
from ci.server.people.readers import Openness
from tests.fakes.provider import FakeProvider

# As thorough as a test needs: some microseconds, and no memory to speak of.
CHEAP: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NOBODY: Final = Asker("", "")  # who does what a test needs done
LIFETIME: Final = timedelta(days=14)  # of a session
KEYS: Final = Keys(b"k" * 32)


class FakeBook:
    """Accounts, tokens and entries in dicts and a list."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, ApiToken] = {}
        self.ended: dict[str, datetime] = {}
        self.entries: list[AuditEntry] = []  # the oldest first

    async def load(self) -> None:
        """There is nothing to read."""

    async def audit_log(self, before: int | None, limit: int) -> tuple[AuditEntry, ...]:
        """Return entries, newest first."""
        older = [entry for entry in self.entries if before is None or entry.id < before]
        return tuple(older[: -limit - 1 : -1])

    async def note(self, by: Asker, action: str, subject: str, detail: str = "") -> None:
        """Add an entry."""
        entry = AuditEntry(
            len(self.entries) + 1, self._now(), by.name, by.address, action, subject, detail
        )
        self.entries.append(entry)

    async def add_account(self, by: Asker, account: Account) -> Account:
        """Keep an account."""
        if account.name in self.accounts:
            raise Conflict("name: it is taken", field="name")
        await self.note(by, "added", f"account {account.name}")
        self.accounts[account.name] = account
        return account

    async def open_account(self, by: Asker, account: Account) -> Account:
        """Keep who has come from elsewhere."""
        await self.note(by, "logged in", f"account {account.name}")
        self.accounts[account.name] = account
        return account

    async def change_account(
        self,
        by: Asker,
        name: str,
        action: str,
        changes: Mapping[str, object],
        *,
        detail: str = "",
        ends_sessions: bool = False,
        in_epoch: int | None = None,
    ) -> Account:
        """Change one."""
        old = self.accounts[name]
        if in_epoch not in (None, old.epoch):
            raise Conflict("it was changed meanwhile", field="name")
        await self.note(by, action, f"account {name}", detail)
        values = {**changes, "epoch": old.epoch + ends_sessions}
        self.accounts[name] = replace(old, **values)  # type: ignore[arg-type]
        return self.accounts[name]

    async def end_session(self, by: Asker, name: str, id: str, expires_at: datetime) -> None:
        """End a session."""
        await self.note(by, "logged out", f"account {name}")
        self.ended[id] = expires_at

    async def add_token(self, by: Asker, token: ApiToken) -> ApiToken:
        """Keep a token."""
        await self.note(by, "made", f"token {token.name} of {token.account}")
        kept = replace(token, id=len(self.tokens) + 1)
        self.tokens[token.sha256] = kept
        return kept

    async def remove_token(self, by: Asker, token: ApiToken) -> None:
        """Remove one."""
        await self.note(by, "revoked", f"token {token.name} of {token.account}")
        del self.tokens[token.sha256]

    async def tokens_used(self, times: dict[int, datetime]) -> None:
        """Keep nothing: a restart is nothing to a fake."""


def fake_people(
    now: Callable[[], datetime], anonymous: Role | None, provider: FakeProvider | None = None
) -> People:
    """Let everybody do everything until there is an account, then `anonymous` what that may."""
    book: Any = FakeBook(now)
    return make_people(
        book,
        KEYS,
        Openness(Role.ADMIN, anonymous),
        session_lifetime=LIFETIME,
        passwords=Passwords(CHEAP),
        now=now,
        terms=provider.terms if provider else None,
        dial=provider.dial if provider else dial_provider,
    )
