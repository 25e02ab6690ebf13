"""Accounts, API tokens and ended sessions on disk. One function, one transaction.

Each change is noted in the audit log in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ci.errors import Conflict, NotFound
from ci.people import Account, ApiToken, Role
from ci.server.store.tables import accounts, api_tokens, ended_sessions

MAX_ACCOUNTS = 10_000  # all are in memory
MAX_TOKENS = 100  # of one account


@dataclass(frozen=True, slots=True)
class Known:
    """Everything about people that is looked at with each request."""

    accounts: tuple[Account, ...]
    tokens: tuple[ApiToken, ...]
    ended: dict[str, datetime]  # sessions that were signed out, and when they expire


def known(connection: Connection) -> Known:
    """Return all of it."""
    return Known(
        tuple(map(_to_account, connection.execute(select(accounts)))),
        tuple(map(_to_token, connection.execute(select(api_tokens)))),
        {row.id: row.expires_at for row in connection.execute(select(ended_sessions))},
    )


def add_account(connection: Connection, account: Account) -> Account:
    """Store a new account. Raises Conflict when its name is taken, or too many are there."""
    if _account(connection, account.name) is not None:
        raise Conflict(f"name: there is an account {account.name!r} already", field="name")
    if connection.execute(select(func.count()).select_from(accounts)).scalar_one() >= MAX_ACCOUNTS:
        raise Conflict(f"there are {MAX_ACCOUNTS} accounts, which is the limit", field="name")
    connection.execute(insert(accounts).values(**asdict(account)))
    return account


def change_account(
    connection: Connection,
    name: str,
    changes: Mapping[str, object],
    *,
    ends_sessions: bool = False,
    in_epoch: int | None = None,
) -> Account:
    """Change an account, end all its sessions if that is wanted, and return it as it is now.

    `in_epoch` is that in which somebody found out that the change may be made. Raises NotFound, and
    Conflict when that one is over, or when no administrator would be left.
    """
    old = _account(connection, name)
    if old is None:
        raise NotFound(f"name: there is no account {name!r}", field="name")
    if in_epoch not in (None, old.epoch):
        raise Conflict(f"the account {name!r} was changed meanwhile; log in again", field="name")
    values = {**changes, "epoch": old.epoch + ends_sessions}
    new = replace(old, **values)  # type: ignore[arg-type]  # the callers' words are of its fields
    connection.execute(update(accounts).where(accounts.c.name == name).values(**values))
    if _is_admin(old) and not _is_admin(new):
        left = map(_to_account, connection.execute(select(accounts)))
        if not any(map(_is_admin, left)):
            raise Conflict(
                f"name: {name!r} is the last administrator; make another one first", field="name"
            )
    return new


def open_account(connection: Connection, known: Account) -> Account:
    """Store who has come from elsewhere, or give them the role that they have there now.

    A name that is another's gets a number. No administrator need be left: elsewhere others may be.
    """
    row = connection.execute(select(accounts).where(accounts.c.subject == known.subject)).first()
    if row is not None:
        changed = accounts.c.subject == known.subject
        connection.execute(
            update(accounts).where(changed).values(role=known.role, last_seen=known.last_seen)
        )
        return replace(_to_account(row), role=known.role, last_seen=known.last_seen)
    for number in range(2, MAX_ACCOUNTS):
        if _account(connection, known.name) is None:
            break
        stem = known.name.rpartition("-")[0] if number > 2 else known.name
        known = replace(known, name=f"{stem}-{number}")
    return add_account(connection, known)


def end_session(connection: Connection, id: str, expires_at: datetime, now: datetime) -> None:
    """End one session before its time; those whose time is up are forgotten."""
    connection.execute(delete(ended_sessions).where(ended_sessions.c.expires_at < now))
    if not connection.execute(select(ended_sessions).where(ended_sessions.c.id == id)).first():
        connection.execute(insert(ended_sessions).values(id=id, expires_at=expires_at))


def add_token(connection: Connection, token: ApiToken) -> ApiToken:
    """Store a new token and return it with its id. Raises NotFound, Conflict."""
    if _account(connection, token.account) is None:
        raise NotFound(f"name: there is no account {token.account!r}", field="name")
    of_account = api_tokens.c.account == token.account
    names = connection.execute(select(api_tokens.c.name).where(of_account)).scalars().all()
    if token.name in names:
        raise Conflict(f"name: there is a token {token.name!r} already", field="name")
    if len(names) >= MAX_TOKENS:
        message = f"there are {MAX_TOKENS} tokens, which is the limit; revoke one that is not used"
        raise Conflict(message, field="name")
    values = asdict(token)
    del values["id"]
    stored = connection.execute(insert(api_tokens).values(**values))
    assert stored.inserted_primary_key is not None  # every INSERT of one row has one
    return replace(token, id=stored.inserted_primary_key[0])


def remove_token(connection: Connection, id: int) -> None:
    """Revoke a token. Raises NotFound."""
    if not connection.execute(delete(api_tokens).where(api_tokens.c.id == id)).rowcount:
        raise NotFound(f"id: there is no token {id}", field="id")


def tokens_used(connection: Connection, times: dict[int, datetime]) -> None:
    """Note when tokens were last used."""
    for id, at in times.items():
        connection.execute(update(api_tokens).where(api_tokens.c.id == id).values(last_used=at))


def _account(connection: Connection, name: str) -> Account | None:
    row = connection.execute(select(accounts).where(accounts.c.name == name)).first()
    return _to_account(row) if row else None


def _is_admin(account: Account) -> bool:
    return account.enabled and account.role is Role.ADMIN


def _to_account(row: Row[Any]) -> Account:
    values = dict(row._mapping)  # noqa: SLF001  public in spite of its name
    return Account(**values | {"role": Role(values["role"])})


def _to_token(row: Row[Any]) -> ApiToken:
    values = dict(row._mapping)  # noqa: SLF001  as above
    return ApiToken(**values | {"scope": Role(values["scope"])})
