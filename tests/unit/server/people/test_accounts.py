"""Accounts: who is let in, and that there is always somebody who can let others in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import Conflict, NotFound, Rejected
from ci.people import Role
from tests.unit.server.people.world import BOSS, GOOD, Clock, add, log_in, open_people, role_of


async def test_everybody_is_let_in_until_there_is_an_account(tmp_path: Path) -> None:
    """Then a stranger may only look, or not even that; also after a restart."""
    async with open_people(tmp_path) as people:
        assert role_of(people) is Role.ADMIN
        await add(people)
        assert role_of(people) is None
    async with open_people(tmp_path, anonymous=Role.VIEWER) as people:
        assert role_of(people) is Role.VIEWER
        assert role_of(people, "forged") is Role.VIEWER


async def test_the_first_account_is_an_admin(tmp_path: Path) -> None:
    """Or everybody would be shut out at once."""
    async with open_people(tmp_path) as people:
        with pytest.raises(Conflict, match="first account must be an admin"):
            await add(people, "ann", Role.VIEWER)
        assert not people.accounts


async def test_the_last_admin_stays(tmp_path: Path) -> None:
    """Neither demoted nor shut out; with another one both can be done."""
    async with open_people(tmp_path) as people:
        await add(people)
        await add(people, "ann", Role.RUNNER)
        for change in (
            people.accounts.set_role("boss", Role.RUNNER, BOSS),
            people.accounts.set_enabled("boss", enabled=False, by=BOSS),
        ):
            with pytest.raises(Conflict, match="last administrator"):
                await change
        assert people.accounts.get("boss").role is Role.ADMIN
        await people.accounts.set_role("ann", Role.ADMIN, BOSS)
        await people.accounts.set_enabled("boss", enabled=False, by=BOSS)
    async with open_people(tmp_path) as people:
        assert [(each.name, each.role, each.enabled) for each in people.accounts.all()] == [
            ("ann", Role.ADMIN, True),
            ("boss", Role.ADMIN, False),
        ]


async def test_a_change_counts_for_sessions_at_once(tmp_path: Path) -> None:
    """A role with the next request; who was shut out does not come back with an old cookie."""
    async with open_people(tmp_path) as people:
        await add(people)
        await add(people, "ann", Role.RUNNER)
        ann = await log_in(people, "ann")
        await people.accounts.set_role("ann", Role.VIEWER, BOSS)
        assert role_of(people, ann) is Role.VIEWER
        await people.accounts.set_enabled("ann", enabled=False, by=BOSS)
        assert role_of(people, ann) is None
        await people.accounts.set_enabled("ann", enabled=True, by=BOSS)
        assert role_of(people, ann) is None
        assert role_of(people, await log_in(people, "ann")) is Role.VIEWER


@pytest.mark.parametrize("name", ["", "a b", "-x", "x-", "a/b", "é", "a\n", "x" * 61, "<b>"])
async def test_a_name_can_stand_anywhere(tmp_path: Path, name: str) -> None:
    """In an address, in a line of the log, on a page."""
    async with open_people(tmp_path) as people:
        with pytest.raises(Rejected) as error:
            await people.accounts.add(name, Role.ADMIN, GOOD, BOSS)
        assert error.value.field == "name"


@pytest.mark.parametrize("password", ["", "short", "a" * 30, "it is boss, really", "x" * 501])
async def test_a_weak_password_is_refused_and_not_repeated(tmp_path: Path, password: str) -> None:
    """What to do is said; the password itself stands in no message."""
    async with open_people(tmp_path) as people:
        with pytest.raises(Rejected) as error:
            await people.accounts.add("boss", Role.ADMIN, password, BOSS)
        assert error.value.field == "password"
        assert not password or password not in error.value.message


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """As is a name that is taken."""
    async with open_people(tmp_path) as people:
        await add(people)
        with pytest.raises(Conflict, match="there is an account 'boss' already"):
            await add(people)
        with pytest.raises(NotFound, match="no account 'ann'"):
            await people.accounts.set_role("ann", Role.ADMIN, BOSS)


async def test_who_did_what_is_noted(tmp_path: Path) -> None:
    """With when, from where, and never a password."""
    clock = Clock()
    async with open_people(tmp_path, clock) as people:
        await add(people)
        await people.accounts.set_role("boss", Role.ADMIN, BOSS)
        entries = await people.accounts.audit_log()
        told = [(each.who, each.address, each.action, each.subject) for each in entries]
        assert told == [
            ("boss", "10.0.0.1", "changed role", "account boss"),
            ("boss", "10.0.0.1", "added", "account boss"),
        ]
        assert {each.at for each in entries} == {clock.now}
        assert GOOD not in str(entries)
        assert await people.accounts.audit_log(entries[0].id) == entries[1:]
