"""Log-in by an OpenID provider: who comes back is who went, and the provider has said so itself."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ci.errors import Forbidden, ProviderFailed, Unauthorized
from ci.people import Role
from ci.server.people.logins import LoggedIn
from ci.server.people.openid import BEGUN_S, OpenID
from ci.server.people.people import People
from tests.fakes.provider import CLIENT, FakeProvider
from tests.unit.server.people.world import BOSS, Clock, add, open_people, role_of


@pytest.fixture
def clock() -> Clock:
    """The time of day, at both ends."""
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> FakeProvider:
    """One that knows Ada."""
    return FakeProvider(now_s=clock.seconds)


@pytest.fixture
async def people(tmp_path: Path, clock: Clock, provider: FakeProvider) -> AsyncIterator[People]:
    """A server whose settings name it."""
    async with open_people(tmp_path, clock, open_to=None, provider=provider) as people:
        yield people


def openid(people: People) -> OpenID:
    """What is there since the settings name a provider."""
    assert people.openid is not None
    return people.openid


async def log_in(people: People, provider: FakeProvider) -> LoggedIn:
    """Go there and come back."""
    begun = await openid(people).begin("/build/7")
    who = await openid(people).finish(begun.cookie, provider.visit(begun.address))
    assert who.next == "/build/7"
    return await people.logins.log_in_from_elsewhere(who, "10.0.0.1")


async def test_a_group_there_is_a_role_here(people: People, provider: FakeProvider) -> None:
    """The highest one, anew with each log-in; the account is the same though its name changes."""
    session = (await log_in(people, provider)).session
    assert role_of(people, session) is Role.RUNNER
    provider.claims |= {"groups": ["dev", "ci-admins"], "preferred_username": "ada.l"}
    await log_in(people, provider)
    assert role_of(people, session) is Role.ADMIN
    provider.claims["groups"] = ["sales"]
    await log_in(people, provider)
    assert role_of(people, session) is Role.VIEWER
    assert [account.name for account in people.accounts.all()] == ["ada"]
    assert (await people.accounts.audit_log())[0].detail == "by OpenID, role viewer"


@pytest.mark.parametrize("told", ["ci-admins", ["ci-admins"]])
async def test_one_group_may_stand_alone(
    people: People, provider: FakeProvider, told: object
) -> None:
    """Some providers write a list of one without the list."""
    provider.claims["groups"] = told
    assert role_of(people, (await log_in(people, provider)).session) is Role.ADMIN


async def test_groups_may_be_told_apart(people: People, provider: FakeProvider) -> None:
    """By the provider's user information, if that is of the same person."""
    del provider.claims["groups"]
    provider.user = {"sub": "4711", "groups": ["ops"]}
    assert role_of(people, (await log_in(people, provider)).session) is Role.RUNNER
    provider.user = {"sub": "4712", "groups": ["ci-admins"]}
    assert role_of(people, (await log_in(people, provider)).session) is Role.VIEWER


async def test_who_has_no_role_gets_no_account(
    tmp_path: Path, clock: Clock, provider: FakeProvider
) -> None:
    """Where not everybody there may look."""
    provider.claims["groups"] = ["sales"]
    provider.roles = {Role.ADMIN: ("ci-admins",)}
    async with open_people(tmp_path, clock, provider=provider) as people:
        with pytest.raises(Forbidden, match="no group of yours has a role here"):
            await log_in(people, provider)
        assert not people.accounts


async def test_a_name_is_nobody_elses(people: People, provider: FakeProvider) -> None:
    """Who is called like a local account there does not get it; the subject says who it is."""
    await add(people, "ada")
    session = (await log_in(people, provider)).session
    provider.claims["sub"] = "4712"
    await log_in(people, provider)
    assert [account.name for account in people.accounts.all()] == ["ada", "ada-2", "ada-3"]
    reader = people.readers.reader(session=session, bearer="", address="")
    assert (reader.account, reader.role) == ("ada-2", Role.RUNNER)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "ada@example.org"}, "ada@example.org"),
        ({"preferred_username": "", "email": "a d a"}, "a-d-a"),
        ({"preferred_username": "Ä<b>"}, "b"),
        ({"preferred_username": "-" * 80, "name": "x" * 80}, "x" * 55),
        ({"preferred_username": None, "sub": "..."}, "somebody"),
    ],
)
async def test_a_name_from_elsewhere_is_made_one_of_ours(
    people: People, provider: FakeProvider, claims: dict[str, Any], name: str
) -> None:
    """Whatever they call themselves there."""
    provider.claims |= claims
    await log_in(people, provider)
    assert [account.name for account in people.accounts.all()] == [name]


async def test_who_was_shut_out_stays_out(people: People, provider: FakeProvider) -> None:
    """Whatever the provider says."""
    await log_in(people, provider)
    await people.accounts.set_enabled("ada", enabled=False, by=BOSS)
    with pytest.raises(Unauthorized, match="shut out"):
        await log_in(people, provider)


async def test_an_answer_is_good_for_its_own_log_in(
    people: People, provider: FakeProvider, clock: Clock
) -> None:
    """In the browser in which it began, for some minutes, once."""
    begun = await openid(people).begin("/")
    other = await openid(people).begin("/")
    back = provider.visit(begun.address)
    for cookie, said in (
        (other.cookie, back),
        ("", back),
        (begun.cookie[:-1], back),
        (begun.cookie, back | {"state": ""}),
    ):
        with pytest.raises(Unauthorized, match="begin again"):
            await openid(people).finish(cookie, said)
    clock.now += timedelta(seconds=BEGUN_S + 1)
    with pytest.raises(Unauthorized, match="too long"):
        await openid(people).finish(begun.cookie, back)
    clock.now -= timedelta(seconds=BEGUN_S + 1)
    await openid(people).finish(begun.cookie, back)
    with pytest.raises(ProviderFailed):
        await openid(people).finish(begun.cookie, back)


async def test_a_code_of_another_log_in_is_refused(people: People, provider: FakeProvider) -> None:
    """An attacker's code in a victim's browser: the nonce and the verifier are not of it."""
    mine, theirs = await openid(people).begin("/"), await openid(people).begin("/")
    code = provider.visit(theirs.address)["code"]
    said = provider.visit(mine.address) | {"code": code}
    with pytest.raises((ProviderFailed, AssertionError)):  # a real one refuses by the verifier
        await openid(people).finish(mine.cookie, said)


async def test_the_provider_may_say_no(people: People, provider: FakeProvider) -> None:
    """Its reason is shown."""
    provider.refuses = "access_denied"
    with pytest.raises(Unauthorized, match="has refused: access_denied"):
        await log_in(people, provider)


@pytest.mark.parametrize(
    ("claims", "wrong"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": [CLIENT, "another"]}, "azp"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "azp"),
        ({"exp": 1}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": 9_999_999_999}, "iat"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": ""}, "sub"),
        ({"sub": 4711}, "sub"),
    ],
)
async def test_a_token_that_is_not_for_this_log_in_is_refused(
    people: People, provider: FakeProvider, claims: dict[str, Any], wrong: str
) -> None:
    """Though the provider has signed it."""
    provider.claims |= claims
    with pytest.raises(ProviderFailed, match=f"{wrong} is wrong"):
        await log_in(people, provider)
    assert not people.accounts


def _signed(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Make a token by hand: no library signs with a public key."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims)]
    text = b".".join(part.rstrip(b"=") for part in parts)
    mark = urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")
    return f"{text.decode()}.{mark.decode()}"


async def test_only_the_providers_own_signature_counts(
    people: People, provider: FakeProvider, clock: Clock
) -> None:
    """Neither another key's, nor none, nor one with its public key taken for a shared secret."""
    begun = await openid(people).begin("/")
    good = provider.key
    provider.key = provider.new_key("first")  # of the same name
    begun = await openid(people).begin("/")
    with pytest.raises(ProviderFailed, match="can't be read"):
        await openid(people).finish(begun.cookie, provider.visit(begun.address))
    provider.key = good
    claims = {"iss": provider.issuer, "aud": CLIENT, "sub": "1", "exp": 9e9, "iat": 1, "nonce": ""}
    shared = good.as_pem(private=False)
    forged = [
        _signed({"alg": "HS256", "kid": "first"}, claims, shared),
        _signed({"alg": "none", "kid": "first"}, claims, shared),
        _signed({"alg": "none"}, claims, shared).rpartition(".")[0] + ".",
    ]
    for token in (*forged, "", "a.b.c", "x" * 10_000):
        provider.changed["/token"] = {"id_token": token}
        with pytest.raises(ProviderFailed):
            await log_in(people, provider)
    assert not people.accounts


async def test_new_keys_are_fetched(
    people: People, provider: FakeProvider, autojump_clock: object
) -> None:
    """A provider changes them now and then; but each log-in with an unknown one asks no more."""
    import trio  # noqa: PLC0415 - for its clock

    del autojump_clock
    await log_in(people, provider)
    assert provider.asked.count("/keys") == 1
    provider.key = provider.new_key("second")
    await trio.sleep(61)
    await log_in(people, provider)
    assert provider.asked.count("/keys") == 2
    provider.key = provider.new_key("third")
    for _ in range(3):
        with pytest.raises(ProviderFailed):
            await log_in(people, provider)
    assert provider.asked.count("/keys") == 2


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("/.well-known/openid-configuration", {"issuer": "https://evil.example"}),
        ("/.well-known/openid-configuration", {"token_endpoint": "http://evil.example/token"}),
        ("/.well-known/openid-configuration", {"authorization_endpoint": "javascript:x"}),
        ("/.well-known/openid-configuration", {"jwks_uri": None}),
        ("/keys", {"keys": "none"}),
        ("/keys", {"keys": [{"kty": "RSA"}]}),
        ("/token", {"id_token": None}),
        ("/token", {"id_token": 7}),
    ],
)
async def test_a_provider_that_talks_nonsense_is_said(
    people: People, provider: FakeProvider, path: str, changed: dict[str, Any]
) -> None:
    """In words, as the provider's fault; nothing is sent where others could read it."""
    provider.changed[path] = changed
    with pytest.raises(ProviderFailed, match="the log-in provider failed"):
        await log_in(people, provider)
