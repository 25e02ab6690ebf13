"""People: all that the server knows of who asks it, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ci.server.people.accounts import Accounts
from ci.server.people.keys import Keys
from ci.server.people.logins import Logins
from ci.server.people.openid import OpenID, Terms
from ci.server.people.passwords import Passwords
from ci.server.people.provider import Dial, Provider, dial_provider
from ci.server.people.readers import Openness, Readers
from ci.server.people.sessions import Sealed, Sessions
from ci.server.people.tokens import Tokens
from ci.server.store.book import Book


@dataclass(frozen=True, slots=True)
class People:
    """One door for each thing that is asked of them."""

    accounts: Accounts
    readers: Readers
    logins: Logins
    tokens: Tokens
    sessions: Sessions
    openid: OpenID | None  # None: nobody logs in from elsewhere


def make_people(
    book: Book,
    keys: Keys,
    openness: Openness,
    *,
    session_lifetime: timedelta,
    passwords: Passwords,
    now: Callable[[], datetime],
    terms: Terms | None = None,
    dial: Dial = dial_provider,
) -> People:
    """Put them together around a book that is loaded; who calls runs `tokens.serve_uses`."""
    sessions = Sessions(keys, session_lifetime)
    accounts = Accounts(book, passwords, now)
    tokens = Tokens(book, now)
    readers = Readers(book, sessions, tokens, openness, now)
    logins = Logins(book, accounts, sessions, readers, passwords=passwords, now=now)
    openid = None
    if terms is not None:
        openid = OpenID(terms, Provider(terms.issuer, dial), Sealed(keys, "openid"), now)
    return People(accounts, readers, logins, tokens, sessions, openid)
