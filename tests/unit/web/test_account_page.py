"""Logging in and out by a browser, one's own tokens, and the administrator's pages."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest

from ci.people import Role
from tests.fakes.core import START, FakeCore
from tests.fakes.people import NOBODY
from tests.fakes.provider import FakeProvider
from tests.unit.web.conftest import BROWSER, form_token, open_client
from tests.unit.web.test_access import PASSWORD, logged_in, open_core

ORIGIN = BROWSER | {"Sec-Fetch-Site": "same-origin"}


async def send(client: httpx.AsyncClient, page: str, path: str, **fields: str) -> httpx.Response:
    """Send a form as a browser does that has loaded `page`."""
    form = fields | await form_token(client, page)
    return await client.post(path, data=form, headers=ORIGIN)


async def log_in(client: httpx.AsyncClient, name: str = "runner", **more: str) -> httpx.Response:
    """Log in by the form."""
    fields = {"name": name, "password": PASSWORD} | more
    return await send(client, "/login", "/login", **fields)


async def test_somebody_logs_in_and_out() -> None:
    """The cookie is out of reach of scripts and other sites, and useless after the log-out."""
    core = await open_core()
    async with open_client(core) as client:
        answer = await log_in(client, next="/build/1")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/build/1")
        cookies = answer.headers.get_list("Set-Cookie")
        assert [cookie.partition("=")[0] for cookie in cookies] == ["ci_session", "ci_device"]
        for cookie in cookies:
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
            assert "Path=/" in cookie
        assert "runner</a>" in (await client.get("/", headers=BROWSER)).text
        kept = client.cookies["ci_session"]
        answer = await send(client, "/account", "/logout")
        assert answer.status_code == 303
        assert "ci_session" not in client.cookies
        client.cookies.set("ci_session", kept)
        assert (await client.get("/", headers=BROWSER)).status_code == 303


async def test_over_https_the_cookie_is_bound_to_it() -> None:
    """Its very name has a browser refuse it over anything else."""
    core = await open_core()
    async with open_client(core) as client:
        client.base_url = "https://ci.test"
        cookies = (await log_in(client)).headers.get_list("Set-Cookie")
        assert all(cookie.startswith("__Host-ci_") for cookie in cookies)
        assert all("Secure" in cookie for cookie in cookies)
        assert (await client.get("/", headers=BROWSER)).status_code == 200


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "///evil.example",
        "evil",
        "/x\r\nSet-Cookie: a=b",
        "http:evil.example",
    ],
)
async def test_the_log_in_leads_to_no_other_site(next: str) -> None:
    """Nor does it write a header."""
    async with open_client(await open_core()) as client:
        answer = await log_in(client, next=next)
        assert answer.headers["Location"] == "/"


async def test_a_wrong_password_is_said_on_the_form() -> None:
    """With the name, but without the password, and without a cookie."""
    async with open_client(await open_core()) as client:
        answer = await log_in(client, password="not the password", next="/build/1")
        assert answer.status_code == 401
        assert "the name or the password is wrong" in answer.text
        assert 'value="runner"' in answer.text
        assert 'value="/build/1"' in answer.text
        assert "not the password" not in answer.text
        assert "Set-Cookie" not in answer.headers
        for _ in range(4):
            await log_in(client, password="not the password")
        answer = await log_in(client)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_session_ends_by_itself() -> None:
    """After the days that are set; the page then leads to the log-in."""
    core = await open_core()
    async with open_client(core) as client:
        await log_in(client)
        assert core.clock is not None
        core.clock += timedelta(days=14)
        answer = await client.get("/account", headers=BROWSER)
        assert answer.headers["Location"] == "/login?next=/account"


async def test_a_token_is_shown_once() -> None:
    """It works, is listed without its text, and stops when it is revoked."""
    core = await open_core()
    async with await logged_in(core, Role.RUNNER) as client:
        fields = {"name": "deploy", "scope": "runner", "days": "30"}
        answer = await send(client, "/account", "/account/tokens", **fields)
        found = re.search("nci_[A-Za-z0-9_-]{43}", answer.text)
        assert found is not None
        assert answer.headers["Cache-Control"] == "no-store"
        html = (await client.get("/account", headers=BROWSER)).text
        assert found[0] not in html
        assert "deploy" in html
        async with open_client(core) as program:
            headers = {"Authorization": f"Bearer {found[0]}"}
            assert (await program.get("/api/builds", headers=headers)).status_code == 200
            answer = await send(client, "/account", "/account/tokens/1/revoke")
            assert answer.status_code == 303
            assert (await program.get("/api/builds", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "a b"}, "name: must be of letters"),
        ({"scope": "root"}, "scope: &#39;root&#39; is none"),
        ({"scope": "admin"}, "scope: runner is a runner"),
        ({"days": "-1"}, "days: &#39;-1&#39; is no number"),
        ({"days": "9999"}, "days: must be between"),
        ({"name": "<b>"}, "name: must be"),
    ],
)
async def test_a_token_that_can_not_be_is_said(fields: dict[str, str], said: str) -> None:
    """On the page, with the field; nothing was made."""
    core = await open_core()
    async with await logged_in(core, Role.RUNNER) as client:
        form = {"name": "deploy", "scope": "viewer", "days": ""} | fields
        answer = await send(client, "/account", "/account/tokens", **form)
        assert answer.status_code == 422
        assert said in answer.text
        assert not core.people.tokens.all()


async def test_nobody_reaches_for_anothers_token() -> None:
    """Whatever number is sent; an administrator may."""
    core = await open_core()
    await core.people.tokens.make("viewer", "v", Role.VIEWER, days=None, by=NOBODY)
    async with await logged_in(core, Role.RUNNER) as client:
        assert (await send(client, "/account", "/account/tokens/1/revoke")).status_code == 404
    assert core.people.tokens.all()
    async with await logged_in(core, Role.ADMIN) as client:
        assert (await send(client, "/people", "/people/tokens/1/revoke")).status_code == 303
    assert not core.people.tokens.all()


async def test_a_token_makes_no_token() -> None:
    """It would outlive it; nor does it change a password."""
    core = await open_core()
    text = await core.people.tokens.make("admin", "t", Role.ADMIN, days=None, by=NOBODY)
    async with open_client(core) as client:
        headers = {"Authorization": f"Bearer {text}"}
        form = {"name": "more", "scope": "admin", "days": ""}
        for path in ("/account/tokens", "/account/password", "/account/logout"):
            assert (await client.post(path, data=form, headers=headers)).status_code == 403
        assert (await client.get("/account", headers=headers)).status_code == 403
    assert len(core.people.tokens.all()) == 1


async def test_an_own_password_is_changed() -> None:
    """This browser goes on, the others don't; what is wrong is said on the page."""
    core = await open_core()
    new = "a whole new sentence"
    async with open_client(core) as client, await logged_in(core, Role.RUNNER) as other:
        await log_in(client)
        answer = await send(client, "/account", "/account/password", old="wrong", new=new)
        assert answer.status_code == 422
        assert "old: it is not the present password" in answer.text
        answer = await send(client, "/account", "/account/password", old=PASSWORD, new="x")
        assert "password: has fewer than 12" in answer.text
        answer = await send(client, "/account", "/account/password", old=PASSWORD, new=new)
        assert answer.status_code == 303
        assert (await client.get("/account", headers=BROWSER)).status_code == 200
        assert (await other.get("/account", headers=BROWSER)).status_code == 303


async def test_an_admin_changes_others() -> None:
    """Adds, gives roles and passwords, shuts out; what was done is in the audit log."""
    core = await open_core()
    async with await logged_in(core, Role.ADMIN) as client:
        fields = {"name": "ann", "role": "viewer", "password": PASSWORD}
        assert (await send(client, "/people", "/people", **fields)).status_code == 303
        again = await send(client, "/people", "/people", **fields)
        assert again.status_code == 409
        assert "name: it is taken" in again.text
        await send(client, "/people", "/people/role", name="ann", role="runner")
        new = "another good sentence"
        await send(client, "/people", "/people/password", name="ann", password=new)
        async with open_client(core) as ann:
            assert (await log_in(ann, "ann", password=new)).status_code == 303
            assert 'action="/builds"' in (await ann.get("/", headers=BROWSER)).text
            await send(client, "/people", "/people/enabled", name="ann", enabled="no")
            assert (await ann.get("/", headers=BROWSER)).status_code == 303
        html = (await client.get("/audit", headers=BROWSER)).text
        for action in ("added", "changed role", "changed password", "logged in", "shut out"):
            assert f"<td>{action}</td>" in html
        missing = await send(client, "/people", "/people/role", name="bob", role="runner")
        assert missing.status_code == 404


async def test_the_first_account_is_made_on_the_page(client: httpx.AsyncClient) -> None:
    """By whoever is there, since everybody may do everything until then."""
    html = (await client.get("/people", headers=BROWSER)).text
    assert "There are no accounts" in html
    fields = {"name": "boss", "role": "admin", "password": PASSWORD}
    assert (await send(client, "/people", "/people", **fields)).status_code == 303
    assert (await client.get("/people", headers=BROWSER)).status_code == 303


async def test_a_name_is_text_everywhere() -> None:
    """What somebody types as his name never becomes part of the page."""
    core = FakeCore()
    async with open_client(core) as client:
        for path in ("/login?next=%22%3E%3Cscript%3E", "/audit?before=3"):
            assert "<script>" not in (await client.get(path, headers=BROWSER)).text
        form = {"name": '"><script>', "password": "x"}
        assert "<script>" not in (await client.post("/login", data=form, headers=BROWSER)).text


async def test_who_comes_from_a_provider_goes_on_where_he_wanted() -> None:
    """By two redirects and a cookie that is gone afterwards; other ways lead nowhere."""
    provider = FakeProvider(now_s=START.timestamp)
    core = FakeCore(provider=provider)
    async with open_client(core) as client:
        answer = await client.get("/login/openid?next=/build/3", headers=BROWSER)
        assert answer.status_code == 303
        back = provider.visit(answer.headers["Location"])
        answer = await client.get("/login/openid/back", params=back, headers=BROWSER)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/build/3")
        assert "ci_openid" not in client.cookies
        assert "ada</a>" in (await client.get("/", headers=BROWSER)).text
        again = await client.get("/login/openid/back", params=back, headers=BROWSER)
        assert again.status_code == 401
        assert "begin again" in again.text
    async with open_client(FakeCore()) as client:
        assert (await client.get("/login/openid", headers=BROWSER)).status_code == 404
