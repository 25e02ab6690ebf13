"""The book of people: accounts, API tokens, sessions that were ended, and the audit log.

All but the last is in memory as well, since every request looks at it. What changes it does so
right after the commit, whether or not whoever asked has left meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from ci.people import Account, ApiToken, Asker, AuditEntry
from ci.server.store import auditlog, people
from ci.server.store.reads import Reads
from ci.server.store.writer import MAX_ORDERS, Writer

T = TypeVar("T")


class Book:
    """What is kept of people. Every change may raise StoreFailed and Busy, and is noted."""

    def __init__(self, reads: Reads, writer: Writer, now: Callable[[], datetime]) -> None:
        self._reads = reads
        self._writer = writer
        self._now = now
        self.accounts: dict[str, Account] = {}  # by name
        self.tokens: dict[str, ApiToken] = {}  # by their SHA-256
        self.ended: dict[str, datetime] = {}  # sessions by id: when they would have expired

    async def load(self) -> None:
        """Read what is kept in memory; before anything else is asked."""
        known = await self._reads.ask(people.known)
        self.accounts = {account.name: account for account in known.accounts}
        self.tokens = {token.sha256: token for token in known.tokens}
        self.ended = dict(known.ended)

    async def audit_log(self, before: int | None, limit: int) -> tuple[AuditEntry, ...]:
        """Return entries, newest first, that are older than the one of id `before`."""
        return await self._reads.ask(lambda c: auditlog.entries(c, before, limit))

    async def note(self, by: Asker, action: str, subject: str, detail: str = "") -> None:
        """Note what changed nothing here, such as a log-in that failed."""
        await self._change(lambda _: None, lambda _: None, by, action, subject, detail=detail)

    async def add_account(self, by: Asker, account: Account) -> Account:
        """Store a new account. Raises Conflict."""
        return await self._change(
            lambda c: people.add_account(c, account),
            self._keep,
            by,
            "added",
            f"account {account.name}",
            detail=f"role {account.role}",
        )

    async def open_account(self, by: Asker, account: Account) -> Account:
        """Store who has come from elsewhere, or their new role. Raises Conflict."""

        def open_one(connection: Connection) -> Account:
            done = people.open_account(connection, account)
            asker = Asker(done.name, by.address)
            subject = f"account {done.name}"
            detail = f"by OpenID, role {done.role}"
            auditlog.note(connection, asker, "logged in", subject, self._now(), detail=detail)
            return done

        return await self._writer.run(open_one, then=self._keep, shown=False, most=MAX_ORDERS)

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
        """Change an account and return it as it is now; the last two as `people` says.

        Raises NotFound, Conflict.
        """
        return await self._change(
            lambda c: people.change_account(
                c, name, changes, ends_sessions=ends_sessions, in_epoch=in_epoch
            ),
            self._keep,
            by,
            action,
            f"account {name}",
            detail=detail,
        )

    async def end_session(self, by: Asker, name: str, id: str, expires_at: datetime) -> None:
        """End one session before its time."""

        def forget(_done: None) -> None:
            now = self._now()
            self.ended = {each: until for each, until in self.ended.items() if until > now}
            self.ended[id] = expires_at

        await self._change(
            lambda c: people.end_session(c, id, expires_at, self._now()),
            forget,
            by,
            "logged out",
            f"account {name}",
        )

    async def add_token(self, by: Asker, token: ApiToken) -> ApiToken:
        """Store a new token and return it with its id. Raises NotFound, Conflict."""

        def keep(token: ApiToken) -> None:
            self.tokens[token.sha256] = token

        return await self._change(
            lambda c: people.add_token(c, token),
            keep,
            by,
            "made",
            f"token {token.name} of {token.account}",
            detail=f"scope {token.scope}",
        )

    async def remove_token(self, by: Asker, token: ApiToken) -> None:
        """Revoke a token. Raises NotFound when somebody else was faster."""

        def forget(_done: None) -> None:
            self.tokens.pop(token.sha256, None)

        await self._change(
            lambda c: people.remove_token(c, token.id),
            forget,
            by,
            "revoked",
            f"token {token.name} of {token.account}",
        )

    async def tokens_used(self, times: dict[int, datetime]) -> None:
        """Note when tokens were last used; nobody has to know who."""
        await self._writer.run(lambda c: people.tokens_used(c, times), shown=False)

    def _keep(self, account: Account) -> None:
        self.accounts[account.name] = account

    async def _change(
        self,
        work: Callable[[Connection], T],
        then: Callable[[T], None],
        by: Asker,
        action: str,
        subject: str,
        *,
        detail: str = "",
    ) -> T:
        def do(connection: Connection) -> T:
            done = work(connection)
            auditlog.note(connection, by, action, subject, self._now(), detail=detail)
            return done

        return await self._writer.run(do, then=then, shown=False, most=MAX_ORDERS)
