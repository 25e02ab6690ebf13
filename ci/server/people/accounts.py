"""Accounts: who may log in, and what they may do then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ci.errors import Conflict, NotFound, Rejected
from ci.people import Account, Asker, AuditEntry, Role, name_problem, password_problem
from ci.server.people.passwords import Passwords
from ci.server.store.book import Book

AUDIT_PAGE = 100  # entries at once


class Accounts:
    """Makes and changes them."""

    def __init__(self, book: Book, passwords: Passwords, now: Callable[[], datetime]) -> None:
        self._book = book
        self._passwords = passwords
        self._now = now

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._book.accounts)

    def all(self) -> tuple[Account, ...]:
        """Return all of them by name."""
        return tuple(sorted(self._book.accounts.values(), key=lambda account: account.name))

    def get(self, name: str) -> Account:
        """Return one. Raises NotFound."""
        if name not in self._book.accounts:
            raise NotFound(f"name: there is no account {name!r}", field="name")
        return self._book.accounts[name]

    async def add(self, name: str, role: Role, password: str, by: Asker) -> Account:
        """Make one. Raises Rejected, Conflict."""
        if problem := name_problem(name):
            raise Rejected(f"name: {problem}", field="name")
        if not self and role is not Role.ADMIN:
            raise Conflict("role: the first account must be an admin", field="role")
        hashed = await self._hashed(password, name)
        return await self._book.add_account(by, Account(name, role, self._now(), hashed))

    async def set_role(self, name: str, role: Role, by: Asker) -> None:
        """Give one another role. Raises NotFound, Conflict for the last administrator."""
        old = self.get(name).role
        detail = f"from {old} to {role}"
        await self._book.change_account(by, name, "changed role", {"role": role}, detail=detail)

    async def set_enabled(self, name: str, enabled: bool, by: Asker) -> None:
        """Shut one out, its sessions and tokens with it, or let it in again.

        Raises NotFound, Conflict for the last administrator.
        """
        action = "let in" if enabled else "shut out"
        changes = {"enabled": enabled}
        await self._book.change_account(by, name, action, changes, ends_sessions=True)

    async def set_password(
        self, name: str, password: str, by: Asker, *, in_epoch: int | None = None
    ) -> Account:
        """Give one another password, and end all its sessions.

        `in_epoch` is that in which its owner was known by the old one. Raises NotFound, Rejected,
        and Conflict when that one is over.
        """
        self.get(name)  # before the hashing, which takes a while
        changes = {"password": await self._hashed(password, name)}
        action = "changed password"
        return await self._book.change_account(
            by, name, action, changes, ends_sessions=True, in_epoch=in_epoch
        )

    async def log_out_everywhere(self, name: str, by: Asker) -> None:
        """End every session of one. Raises NotFound."""
        action = "logged out everywhere"
        await self._book.change_account(by, name, action, {}, ends_sessions=True)

    async def audit_log(self, before: int | None = None) -> tuple[AuditEntry, ...]:
        """Return up to AUDIT_PAGE entries, newest first, that are older than the one of that id."""
        return await self._book.audit_log(before, AUDIT_PAGE)

    async def _hashed(self, password: str, name: str) -> str:
        if problem := password_problem(password, name):
            raise Rejected(f"password: {problem}", field="password")
        return await self._passwords.hash(password)
