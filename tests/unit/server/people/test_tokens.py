"""API tokens: shown once, kept as a hash, never worth more than their account."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ci.errors import Conflict, NotFound, Rejected, Unauthorized
from ci.people import Role
from ci.server.people.people import People
from ci.server.people.tokens import MAX_DAYS, PREFIX
from ci.server.store.database import FILE_NAME
from ci.server.store.people import MAX_TOKENS
from tests.unit.server.people.world import BOSS, Clock, add, open_people, role_of


async def make(
    people: People,
    name: str = "deploy",
    scope: Role = Role.RUNNER,
    *,
    account: str = "boss",
    days: int | None = None,
) -> str:
    """Make a token and return its text."""
    return await people.tokens.make(account, name, scope, days=days, by=BOSS)


async def test_a_token_may_what_its_scope_says(tmp_path: Path) -> None:
    """And never more than its account, whatever that was when it was made; after a restart, too."""
    async with open_people(tmp_path) as people:
        await add(people)
        await add(people, "ann", Role.RUNNER)
        boss, ann = await make(people), await make(people, account="ann")
        assert boss.startswith(PREFIX)
        assert (role_of(people, bearer=boss), role_of(people, bearer=ann)) == (Role.RUNNER,) * 2
        await people.accounts.set_role("ann", Role.VIEWER, BOSS)
        assert role_of(people, bearer=ann) is Role.VIEWER
    async with open_people(tmp_path) as people:
        assert role_of(people, bearer=ann) is Role.VIEWER
        reader = people.readers.reader(session="", bearer=boss, address="")
        assert reader.asker.name == "boss (token deploy)"
        assert not reader.session


async def test_nobody_gives_more_than_he_has(tmp_path: Path) -> None:
    """A runner can't make a token that administers."""
    async with open_people(tmp_path) as people:
        await add(people)
        await add(people, "ann", Role.RUNNER)
        with pytest.raises(Rejected, match="ann is a runner") as error:
            await make(people, scope=Role.ADMIN, account="ann")
        assert error.value.field == "scope"


@pytest.mark.parametrize("text", ["x", PREFIX, "é", "\udc80", "x" * 10_000])
async def test_a_wrong_token_is_refused(tmp_path: Path, text: str) -> None:
    """Also where somebody without one may look, and beside a good cookie."""
    async with open_people(tmp_path, anonymous=Role.VIEWER) as people:
        await add(people)
        with pytest.raises(Unauthorized):
            role_of(people, bearer=text)


async def test_a_token_ends(tmp_path: Path) -> None:
    """Revoked by its owner or an administrator, by its age, or with its account."""
    clock = Clock()
    async with open_people(tmp_path, clock) as people:
        await add(people)
        await add(people, "ann", Role.RUNNER)
        texts = [await make(people, name, account="ann", days=2) for name in ("a", "b", "c")]
        first, second, _ = people.tokens.all("ann")
        with pytest.raises(NotFound):
            await people.tokens.revoke(first.id, "boss", BOSS)
        await people.tokens.revoke(first.id, "ann", BOSS)
        await people.tokens.revoke(second.id, None, BOSS)
        for text in texts[:2]:
            with pytest.raises(Unauthorized):
                role_of(people, bearer=text)
        clock.now += timedelta(days=2, seconds=-1)
        assert role_of(people, bearer=texts[2]) is Role.RUNNER
        clock.now += timedelta(seconds=1)
        with pytest.raises(Unauthorized):
            role_of(people, bearer=texts[2])
        forever = await make(people, "d", account="ann")
        await people.accounts.set_enabled("ann", enabled=False, by=BOSS)
        with pytest.raises(Unauthorized):
            role_of(people, bearer=forever)


async def test_the_last_use_is_told(tmp_path: Path) -> None:
    """At once, and after a restart."""
    clock = Clock()
    async with open_people(tmp_path, clock) as people:
        await add(people)
        text = await make(people)
        assert [token.last_used for token in people.tokens.all()] == [None]
        role_of(people, bearer=text)
        assert [token.last_used for token in people.tokens.all()] == [clock.now]
        await people.tokens.note_uses()
    async with open_people(tmp_path, clock) as people:
        assert [token.last_used for token in people.tokens.all()] == [clock.now]


async def test_the_text_is_nowhere_on_the_disk(tmp_path: Path) -> None:
    """Neither the token nor its random part."""
    async with open_people(tmp_path) as people:
        await add(people)
        text = (await make(people)).removeprefix(PREFIX).encode()
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert (tmp_path / FILE_NAME).exists()
    assert not any(text in content for content in files)


async def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """Two of one name, too many, days that are none."""
    async with open_people(tmp_path) as people:
        await add(people)
        await make(people)
        with pytest.raises(Conflict, match="there is a token 'deploy' already"):
            await make(people)
        for days in (0, -1, MAX_DAYS + 1):
            with pytest.raises(Rejected, match="days"):
                await make(people, "x", days=days)
        with pytest.raises(Rejected, match="name"):
            await make(people, "a b")
        for count in range(MAX_TOKENS - 1):
            await make(people, f"t{count}")
        with pytest.raises(Conflict, match="which is the limit"):
            await make(people, "one-more")
