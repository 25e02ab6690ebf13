"""Who asks, and what they may do: roles, accounts, API tokens, and what the audit log keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person, or an API token, may do. Each may also do what those before it may."""

    VIEWER = "viewer"  # look at everything that is not a secret
    RUNNER = "runner"  # ask for builds, cancel and move them
    ADMIN = "admin"  # people, agents, secrets, the audit log

    def may(self, needed: Role) -> bool:
        """Whether this role is enough where `needed` is."""
        return _RANK[self] >= _RANK[needed]


_RANK: Final = {role: rank for rank, role in enumerate(Role)}


def lower(one: Role, other: Role) -> Role:
    """Return the role that may do less."""
    return min(one, other, key=_RANK.__getitem__)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who did something, and from where, as the audit log says it."""

    name: str  # of an account, `ACCOUNT (token NAME)`, or "" for somebody without one
    address: str  # of the client; "" when it did not come over the network

    def __str__(self) -> str:
        return self.name or "anybody"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who sends a request: found out once, before anything else looks at it."""

    account: str = ""  # "" for somebody without one
    role: Role | None = None  # None: may see nothing but the log-in
    session: str = ""  # the id of the browser's session, if that is how they are known
    token: str = ""  # the name of the API token, if that is
    address: str = ""

    def may(self, needed: Role | None) -> bool:
        """Whether this reader may do what needs that role; None: what anybody may."""
        return needed is None or (self.role is not None and self.role.may(needed))

    @property
    def asker(self) -> Asker:
        """As the audit log names them."""
        name = f"{self.account} (token {self.token})" if self.token else self.account
        return Asker(name, self.address)


@dataclass(frozen=True, slots=True)
class Account:
    """A person, or a program that acts like one."""

    name: str
    role: Role
    created_at: datetime
    password: str | None = None  # as argon2 writes it; None: no log-in by password
    subject: str | None = None  # who that is at an OpenID provider
    epoch: int = 0  # sessions that began in an earlier one are over
    enabled: bool = True
    last_seen: datetime | None = None  # when they last logged in


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a program shows in the place of a session. The token itself is kept nowhere."""

    id: int
    account: str
    name: str
    scope: Role  # the most it may do; never more than its account
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether its time is up."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, when and from where."""

    id: int
    at: datetime
    who: str
    address: str
    action: str
    subject: str
    detail: str


MAX_NAME_CHARS: Final = 60
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]*[A-Za-z0-9])?")
MIN_PASSWORD_CHARS: Final = 12
MAX_PASSWORD_CHARS: Final = 500


def name_problem(name: str) -> str | None:
    """Say what is wrong with the name of an account or a token, or None."""
    if len(name) > MAX_NAME_CHARS:
        return f"has more than {MAX_NAME_CHARS} characters"
    if not _NAME.fullmatch(name):
        return "must be of letters, digits and . _ @ + -, and begin and end with one of the former"
    return None


def password_problem(password: str, name: str) -> str | None:
    """Say what is wrong with a new password for that account, or None. It is never repeated."""
    if len(password) < MIN_PASSWORD_CHARS:
        return f"has fewer than {MIN_PASSWORD_CHARS} characters; a sentence is a good one"
    if len(password) > MAX_PASSWORD_CHARS:
        return f"has more than {MAX_PASSWORD_CHARS} characters"
    if len(set(password)) < MIN_PASSWORD_CHARS // 2 or name.lower() in password.lower():
        return "is too easy to guess: it repeats few characters or has the account's name in it"
    return None
