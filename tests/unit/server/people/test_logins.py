"""Logging in: the right ones get in, those who guess are slowed down, and nobody else is."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
import trio
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from trio.testing import wait_all_tasks_blocked

from ci.errors import Conflict, Rejected, RequestError, TooManyTries, Unauthorized
from ci.people import Asker, Role
from ci.server.people.passwords import MAX_AT_ONCE, MAX_IN_LINE, Passwords
from ci.server.people.people import People
from ci.server.people.throttle import MAX_OF_ACCOUNT, MAX_OF_PAIR, WINDOW_S
from tests.fakes.people import CHEAP, LIFETIME
from tests.unit.server.people.world import (
    BOSS,
    GOOD,
    Clock,
    add,
    log_in,
    open_people,
    role_of,
)


async def guess(people: People, times: int, address: str = "10.6.6.6", name: str = "boss") -> None:
    """Try wrong passwords."""
    for _ in range(times):
        with pytest.raises(Unauthorized):
            await log_in(people, name, "wrong", address=address)


async def test_a_session_lasts_until_its_time_is_up(tmp_path: Path) -> None:
    """And over a restart; its cookie says nothing to another server."""
    clock = Clock()
    async with open_people(tmp_path, clock) as people:
        await add(people)
        session = await log_in(people)
    async with open_people(tmp_path, clock) as people:
        assert role_of(people, session) is Role.ADMIN
        assert role_of(people, session.swapcase()) is None
        clock.now += LIFETIME - timedelta(seconds=1)
        assert role_of(people, session) is Role.ADMIN
        clock.now += timedelta(seconds=1)
        assert role_of(people, session) is None


async def test_logging_out_ends_that_session_alone(tmp_path: Path) -> None:
    """Also for who has copied the cookie, and after a restart; everywhere ends all."""
    async with open_people(tmp_path) as people:
        await add(people)
        one, other = await log_in(people), await log_in(people)
        await people.logins.log_out(one, BOSS)
        assert (role_of(people, one), role_of(people, other)) == (None, Role.ADMIN)
    async with open_people(tmp_path) as people:
        assert (role_of(people, one), role_of(people, other)) == (None, Role.ADMIN)
        await people.accounts.log_out_everywhere("boss", BOSS)
        assert role_of(people, other) is None
    async with open_people(tmp_path) as people:
        assert role_of(people, other) is None


async def test_no_word_tells_whether_there_is_such_an_account(tmp_path: Path) -> None:
    """A wrong password, no such name, one that was shut out: the same answer; but it is noted."""
    async with open_people(tmp_path) as people:
        await add(people)
        await add(people, "ann", Role.VIEWER)
        await people.accounts.set_enabled("ann", enabled=False, by=BOSS)
        said = set()
        for name, password in (("boss", "wrong"), ("bob", GOOD), ("ann", GOOD), ("", "")):
            with pytest.raises(Unauthorized) as error:
                await log_in(people, name, password)
            said.add(error.value.message)
        assert len(said) == 1
        subjects = [entry.subject for entry in (await people.accounts.audit_log())[:4]]
        assert subjects[::-1] == [
            "account boss",
            "account (there is none of that name)",
            "account ann",
            "account (there is none of that name)",
        ]


async def test_who_guesses_is_slowed_down(tmp_path: Path) -> None:
    """With the right password, too; in time, one more try is free."""
    async with open_people(tmp_path) as people:
        await add(people)
        await guess(people, MAX_OF_PAIR)
        with pytest.raises(TooManyTries) as error:
            await log_in(people, address="10.6.6.6")
        assert error.value.retry_after_s is not None
        assert 0 < error.value.retry_after_s <= WINDOW_S / MAX_OF_PAIR
        assert await log_in(people, address="10.0.0.2")


async def test_an_attacker_from_everywhere_does_not_lock_the_owner_out(tmp_path: Path) -> None:
    """The browser in which they have logged in before is known, and counted apart."""
    async with open_people(tmp_path) as people:
        await add(people)
        known = await people.logins.log_in("boss", GOOD, address="10.0.0.1", device="")
        for place in range(MAX_OF_ACCOUNT):
            await guess(people, 1, f"10.9.{place}.1")
        with pytest.raises(TooManyTries):
            await log_in(people, address="10.8.0.1")
        assert await log_in(people, address="10.8.0.1", device=known.device)


async def test_a_known_browser_is_known_for_its_account_alone(tmp_path: Path) -> None:
    """Whoever has an account has such a cookie; it does not help against another one."""
    async with open_people(tmp_path) as people:
        await add(people)
        await add(people, "ann", Role.VIEWER)
        ann = await people.logins.log_in("ann", GOOD, address="10.0.0.1", device="")
        await guess(people, MAX_OF_PAIR)
        with pytest.raises(TooManyTries):
            await log_in(people, address="10.6.6.6", device=ann.device)


async def test_addresses_that_one_customer_has_count_as_one(tmp_path: Path) -> None:
    """IPv6 gives each as many as he likes."""
    async with open_people(tmp_path) as people:
        await add(people)
        for host in range(MAX_OF_PAIR):
            await guess(people, 1, f"2001:db8:1:2::{host + 1:x}")
        with pytest.raises(TooManyTries):
            await log_in(people, address="2001:db8:1:2:ffff::1")
        assert await log_in(people, address="2001:db8:1:3::1")


async def test_what_is_mistyped_is_forgotten_after_the_right_password(tmp_path: Path) -> None:
    """Who mistypes each morning is not taken for an attacker on the third day."""
    async with open_people(tmp_path) as people:
        await add(people)
        for _ in range(3):
            await guess(people, MAX_OF_PAIR - 1, "10.0.0.7")
            assert await log_in(people, address="10.0.0.7")


async def test_tries_at_the_same_time_are_all_counted(tmp_path: Path) -> None:
    """Else as many would be free as can be sent before the first one has failed."""
    said: list[type[RequestError]] = []
    async with open_people(tmp_path) as people:
        await add(people)

        async def attack() -> None:
            try:
                await log_in(people, "boss", "wrong", address="10.6.6.6")
            except RequestError as error:
                said.append(type(error))

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(attack)
    assert said.count(Unauthorized) == MAX_OF_PAIR
    assert said.count(TooManyTries) == 50 - MAX_OF_PAIR


async def test_a_new_password_ends_the_other_sessions(tmp_path: Path) -> None:
    """Its owner goes on; the old one must be known, and can't be guessed without end."""
    async with open_people(tmp_path) as people:
        await add(people)
        other = await log_in(people)
        me = Asker("boss", "10.0.0.1")
        for _ in range(MAX_OF_PAIR):
            with pytest.raises(Rejected):
                await people.logins.change_password("boss", "wrong", "another good one", me)
        with pytest.raises(TooManyTries):
            await people.logins.change_password("boss", GOOD, "another good one", me)
        me = Asker("boss", "10.0.0.2")
        mine = await people.logins.change_password("boss", GOOD, "another good one", me)
        assert role_of(people, other) is None
        assert role_of(people, mine.session) is Role.ADMIN
        with pytest.raises(Unauthorized):
            await log_in(people, address="10.0.0.3")
        assert await log_in(people, password="another good one", address="10.0.0.3")


class SlowPasswords(Passwords):
    """Lets something happen while a password is compared or hashed."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []

    async def hash(self, password: str) -> str:
        """Hash it, and let that happen."""
        hashed = await super().hash(password)
        await self._let()
        return hashed

    async def matches(self, kept: str | None, password: str) -> bool:
        """Compare it, and let that happen."""
        right = await super().matches(kept, password)
        await self._let()
        return right

    async def _let(self) -> None:
        while self.meanwhile:
            await self.meanwhile.pop()()


@pytest.mark.parametrize("wish", ["a session", "a new password"])
@pytest.mark.parametrize("change", ["password", "shut out", "everywhere"])
async def test_an_old_password_is_worth_nothing_that_is_just_being_compared(
    tmp_path: Path, change: str, wish: str
) -> None:
    """What was right when it was typed is not any more when it would be acted on."""
    passwords = SlowPasswords()
    async with open_people(tmp_path, passwords=passwords) as people:
        await add(people)
        await add(people, "ann", Role.VIEWER)
        accounts = people.accounts
        changes: dict[str, Callable[[], Awaitable[object]]] = {
            "password": partial(accounts.set_password, "ann", "another good one", BOSS),
            "shut out": partial(accounts.set_enabled, "ann", enabled=False, by=BOSS),
            "everywhere": partial(accounts.log_out_everywhere, "ann", BOSS),
        }
        passwords.meanwhile = [changes[change]]
        ann = Asker("ann", "10.0.0.1")
        change_mine = partial(people.logins.change_password, "ann", GOOD, "one more good one", ann)
        acts: dict[str, Callable[[], Awaitable[object]]] = {
            "a session": partial(log_in, people, "ann"),
            "a new password": change_mine,
        }
        with pytest.raises(Conflict, match="changed meanwhile; log in again"):
            await acts[wish]()


async def test_no_session_outlives_a_new_password_that_is_being_hashed(tmp_path: Path) -> None:
    """Neither one that begins meanwhile, nor one that began after another end of all sessions."""
    passwords = SlowPasswords()
    sessions: list[str] = []
    async with open_people(tmp_path, passwords=passwords) as people:
        await add(people)

        async def log_in_again() -> None:
            await people.accounts.log_out_everywhere("boss", BOSS)
            sessions.append(await log_in(people))

        passwords.meanwhile = [log_in_again]
        await people.accounts.set_password("boss", "another good one", BOSS)
        assert [role_of(people, session) for session in sessions] == [None]


async def test_an_old_hash_is_made_anew(tmp_path: Path) -> None:
    """When we hash more thoroughly than then, with the next log-in."""
    async with open_people(tmp_path) as people:
        await add(people)
        old = people.accounts.get("boss").password
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    async with open_people(tmp_path, passwords=Passwords(stronger)) as people:
        await log_in(people)
        new = people.accounts.get("boss").password
        assert new is not None
        assert new != old
        assert not stronger.check_needs_rehash(new)
        await log_in(people)
        assert people.accounts.get("boss").password == new


class HeldHasher(PasswordHasher):
    """Compares nothing before the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        """Find out that it is wrong."""
        del hash, password
        self.go.wait()
        raise VerifyMismatchError


async def test_many_at_once_wait_or_are_sent_away() -> None:
    """Each takes much memory; so few are compared at a time, and the line is not endless."""
    hasher = HeldHasher()
    passwords = Passwords(hasher)
    async with trio.open_nursery() as nursery:
        try:
            for _ in range(MAX_AT_ONCE + MAX_IN_LINE - 1):
                nursery.start_soon(passwords.matches, "kept", "wrong")
            await wait_all_tasks_blocked()
            assert not passwords.is_busy
            nursery.start_soon(passwords.matches, "kept", "wrong")
            await wait_all_tasks_blocked()
            assert passwords.is_busy
        finally:
            hasher.go.set()
    assert not passwords.is_busy
