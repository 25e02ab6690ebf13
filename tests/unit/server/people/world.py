"""What the tests of people share: accounts over a real store, with a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from ci import blocking
from ci.people import Asker, Role
from ci.server.people.passwords import Passwords
from ci.server.people.people import People, make_people
from ci.server.people.provider import dial_provider
from ci.server.people.readers import Openness
from ci.server.store.store import open_store
from tests.fakes.people import CHEAP, KEYS, LIFETIME
from tests.fakes.provider import FakeProvider

GOOD = "correct horse battery"
BOSS = Asker("boss", "10.0.0.1")


class Clock:
    """The time of day, as a test wants it."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell it."""
        return self.now

    def seconds(self) -> float:
        """Tell it in seconds since 1970."""
        return self.now.timestamp()


@asynccontextmanager
async def open_people(
    folder: Path,
    clock: Clock | None = None,
    *,
    open_to: Role | None = Role.ADMIN,
    anonymous: Role | None = None,
    passwords: Passwords | None = None,
    provider: FakeProvider | None = None,
) -> AsyncIterator[People]:
    """Open the store in `folder` and read who is in it."""
    now = clock or Clock()
    with blocking.inline():
        async with open_store(folder, now) as store:
            await store.book.load()
            yield make_people(
                store.book,
                KEYS,
                Openness(open_to, anonymous),
                session_lifetime=LIFETIME,
                passwords=passwords or Passwords(CHEAP),
                now=now,
                terms=provider.terms if provider else None,
                dial=provider.dial if provider else dial_provider,
            )


async def add(people: People, name: str = "boss", role: Role = Role.ADMIN) -> None:
    """Make an account whose password is GOOD."""
    await people.accounts.add(name, role, GOOD, BOSS)


async def log_in(people: People, name: str = "boss", password: str = GOOD, **more: str) -> str:
    """Log in and return the text of the session's cookie."""
    asked = {"address": "10.0.0.1", "device": ""} | more
    return (await people.logins.log_in(name, password, **asked)).session


def role_of(people: People, session: str = "", bearer: str = "") -> Role | None:
    """What somebody with that cookie or token may do."""
    return people.readers.reader(session=session, bearer=bearer, address="10.0.0.1").role
