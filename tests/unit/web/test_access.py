"""Who gets what: each address for each role, and nobody anything that was not thought of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from werkzeug.routing import Rule

from ci.people import Role
from ci.web.access import NEEDS
from ci.web.app import create_app
from tests.fakes.asgi import AppTransport
from tests.fakes.core import FakeCore
from tests.fakes.people import NOBODY
from tests.unit.web.conftest import BROWSER, HTMX, form_token, open_client

PASSWORD = "correct horse battery"
ROLES = (None, *Role)


async def open_core(anonymous: Role | None = None) -> FakeCore:
    """A core with a build, and an account of each role that is called like it."""
    core = FakeCore(anonymous=anonymous)
    await core.submit(repository=None, commit="main", command="make")
    await core.cancel(1)
    for role in (Role.ADMIN, Role.RUNNER, Role.VIEWER):
        await core.people.accounts.add(role, role, PASSWORD, NOBODY)
    return core


@pytest.fixture
async def guarded() -> FakeCore:
    """Such a core, on which nobody without an account may even look."""
    return await open_core()


async def logged_in(core: FakeCore, role: Role | None) -> httpx.AsyncClient:
    """The browser of somebody who has logged in, or of nobody."""
    client = open_client(core)
    if role is not None:
        done = await core.people.logins.log_in(role, PASSWORD, address="10.0.0.1", device="")
        client.cookies.set("ci_session", done.session)
    return client


def test_each_address_says_who_may_ask_it() -> None:
    """And the table has nothing that is not there, such as a word that was mistyped."""
    endpoints = {rule.endpoint for rule in create_app(FakeCore(), 1 << 20).url_map.iter_rules()}
    assert endpoints == set(NEEDS)


def _addresses() -> list[tuple[str, str, Role | None]]:
    """Every method of every address, with what it needs."""
    app = create_app(FakeCore(), 1 << 20)
    values = {"number": "1", "name": "oak", "change": "pause", "id": "1"}
    return [
        (method, _fill(rule, values), NEEDS[rule.endpoint])
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) & {"GET", "POST"})
    ]


def _fill(rule: Rule, values: dict[str, str]) -> str:
    path = "".join(text if not dynamic else values[text] for dynamic, text in rule._trace)
    return path.removeprefix("|")


@pytest.mark.parametrize(("method", "path", "needed"), _addresses())
async def test_who_may_not_ask_changes_and_learns_nothing(
    method: str, path: str, needed: Role | None, guarded: FakeCore
) -> None:
    """Whatever is sent; by a browser or a program, who is nobody or not enough."""
    before = guarded.version(), guarded.people.accounts.all(), guarded.askers[:]
    for role in ROLES:
        enough = needed is None or (role is not None and role.may(needed))
        if enough:
            continue
        async with await logged_in(guarded, role) as client:
            before = guarded.version(), guarded.people.accounts.all(), guarded.askers[:]
            for headers in ({}, BROWSER, HTMX):
                answer = await client.request(method, path, headers=headers)
                told = answer.status_code, answer.headers.get("Location", "")
                to_log_in = told[0] == 303 and told[1].startswith("/login?")
                assert to_log_in or told[0] in (401, 403)
                assert "make" not in answer.text
    assert before == (guarded.version(), guarded.people.accounts.all(), guarded.askers)


@pytest.mark.parametrize(("method", "path", "needed"), _addresses())
async def test_who_may_ask_is_let_in(
    method: str, path: str, needed: Role | None, guarded: FakeCore
) -> None:
    """What comes then may be wrong for another reason, but not for who it is."""
    role = needed or Role.VIEWER
    async with await logged_in(guarded, role) as client:
        token = await form_token(client, "/account")
        if method == "POST" and path.startswith("/api/"):
            name = await guarded.people.tokens.make(role, "t", role, days=None, by=NOBODY)
            answer = await client.post(path, headers={"Authorization": f"Bearer {name}"})
        elif method == "POST":
            answer = await client.post(path, data=token)
        else:
            answer = await client.get(path)
        assert answer.status_code not in (401, 403) or path == "/login"


async def test_what_one_may_not_do_is_not_offered(guarded: FakeCore) -> None:
    """Neither the form for a new build, nor a button; also in parts that were made for others."""
    await guarded.submit(repository=None, commit="main", command="make more")
    for path in ("/", "/build/2", "/?part=builds", "/build/2?part=head", "/agents"):
        for role in (Role.ADMIN, Role.VIEWER, Role.RUNNER, Role.VIEWER):
            async with await logged_in(guarded, role) as client:
                for _ in range(2):  # the second time what is kept
                    html = (await client.get(path, headers=HTMX)).text
                    if path != "/agents":
                        assert ('method="post"' in html) is role.may(Role.RUNNER)
                    assert ("People</a>" in html) is (role is Role.ADMIN and "part" not in path)


async def test_strangers_look_where_they_may() -> None:
    """And are told how to become somebody; to run a build they have to."""
    core = await open_core(Role.VIEWER)
    async with open_client(core) as client:
        html = (await client.get("/", headers=BROWSER)).text
        assert 'href="/login?next=/' in html
        assert "/builds" not in html
        form = {"commit": "main", "command": "make"}
        assert (await client.post("/builds", data=form)).status_code == 401
        answer = await client.post("/api/builds", json=form)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_who_may_only_look_has_no_account() -> None:
    """So the page of one's own account leads them to the log-in; as long as there is any."""
    for core in (await open_core(Role.VIEWER), FakeCore()):
        async with open_client(core) as client:
            answer = await client.get("/account", headers=BROWSER)
            assert answer.headers["Location"] == "/login?next=/account"


async def test_the_log_in_leads_where_one_wanted_to_go(guarded: FakeCore) -> None:
    """A program is told 401 in its own words."""
    async with open_client(guarded) as client:
        answer = await client.get("/build/1?from=0", headers=BROWSER)
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/login?next=/build/1?from%3D0"
        program = await client.get("/api/builds")
        assert program.status_code == 401
        assert "viewer" in program.json()["error"]["message"]


async def test_a_token_is_what_counts(guarded: FakeCore) -> None:
    """A wrong one is refused, also where anybody may ask, and beside a good cookie."""
    make = guarded.people.tokens.make
    token = await make("runner", "deploy", Role.RUNNER, days=None, by=NOBODY)
    form: dict[str, Any] = {"commit": "main", "command": "make"}
    async with open_client(guarded) as client:
        good = {"Authorization": f"Bearer {token}"}
        answer = await client.post("/api/builds", json=form, headers=good)
        assert answer.status_code == 201
        assert guarded.askers[-1] is not None
        assert guarded.askers[-1].name == "runner (token deploy)"
        assert (await client.post("/api/agents/oak/pause", headers=good)).status_code == 403
    async with await logged_in(guarded, Role.ADMIN) as client:
        for wrong in ("Bearer nci_x", "bearer x", "Bearer é"):
            headers = {b"Authorization": wrong.encode()}
            answer = await client.get("/api/builds", headers=headers)
            assert answer.status_code == 401


async def test_a_session_can_not_change_by_the_api(guarded: FakeCore) -> None:
    """A cookie is sent by whatever page asks; a token only by who has it."""
    async with await logged_in(guarded, Role.ADMIN) as client:
        form = {"commit": "main", "command": "make"}
        answer = await client.post("/api/builds", json=form)
        assert answer.status_code == 403
        assert "API token" in answer.json()["error"]["message"]
        assert (await client.get("/api/builds")).status_code == 200


@pytest.mark.parametrize("token", ["", "0" * 64, "é", None])
async def test_a_form_without_its_token_is_refused(guarded: FakeCore, token: str | None) -> None:
    """Though the browser says that it is ours; as is that of another session."""
    async with await logged_in(guarded, Role.ADMIN) as client:
        form = {"commit": "main", "command": "make"}
        if token is None:
            async with await logged_in(guarded, Role.ADMIN) as other:
                form |= await form_token(other)
        else:
            form["form_token"] = token
        before = guarded.version()
        headers = {"Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/builds", data=form, headers=headers)).status_code == 403
        assert guarded.version() == before
        form |= await form_token(client)
        assert (await client.post("/builds", data=form, headers=headers)).status_code == 303


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        ((), "10.0.0.1", "6.6.6.6", "10.0.0.1"),
        (("10.0.0.1",), "10.0.0.1", "6.6.6.6", "6.6.6.6"),
        (("10.0.0.0/8",), "10.0.0.1", "1.1.1.1, 6.6.6.6, 10.0.0.2", "6.6.6.6"),
        (("10.0.0.1",), "10.0.0.9", "6.6.6.6", "10.0.0.9"),
        (("10.0.0.1",), "10.0.0.1", "", "10.0.0.1"),
        (("10.0.0.1",), "10.0.0.1", "nonsense", "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", "6.6.6.6, x, 10.0.0.2", "10.0.0.2"),
        (("10.0.0.1",), "10.0.0.1", "6.6.6.6:1234", "6.6.6.6"),
        (("10.0.0.1",), "10.0.0.1", "[2001:DB8::1]:1234", "2001:db8::1"),
        (("10.0.0.1",), "10.0.0.1", "6.6.6.6 evil", "10.0.0.1"),
        (("10.0.0.1",), "10.0.0.1", "9.9.9.999", "10.0.0.1"),
        (("::1",), "::1", "2001:db8::1", "2001:db8::1"),
    ],
)
async def test_only_a_trusted_proxy_says_for_whom_it_asks(
    proxies: tuple[str, ...], peer: str, forwarded: str, address: str
) -> None:
    """Anybody can write the header; what counts is who has sent it."""
    core = FakeCore()
    core.config = core.config.model_copy(update={"trusted_proxies": proxies})
    app: Any = create_app(core, 1 << 20)
    transport = AppTransport(app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://ci.test") as client:
        headers = {"X-Forwarded-For": forwarded}
        answer = await client.post(
            "/api/builds", json={"commit": "main", "command": "make"}, headers=headers
        )
        assert answer.status_code == 201
    assert core.askers[-1] is not None
    assert core.askers[-1].address == address


async def test_a_proxy_that_is_not_named_is_told_of_once() -> None:
    """Else all its visitors share the count of wrong passwords, and nobody knows why."""
    core = FakeCore()
    core.config = core.config.model_copy(update={"trusted_proxies": ("10.0.0.1",)})
    app: Any = create_app(core, 1 << 20)
    with structlog.testing.capture_logs() as lines:
        for peer, said in (
            ("10.0.0.1", {"X-Forwarded-For": "6.6.6.6"}),
            ("10.0.0.2", {}),
            ("10.0.0.2", {"X-Forwarded-For": "6.6.6.6"}),
            ("10.0.0.3", {"X-Forwarded-For": "6.6.6.6"}),
        ):
            transport = AppTransport(app, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://ci.test") as client:
                await client.get("/healthz", headers=said)
    [line] = [one for one in lines if one["event"] == "proxy not named"]
    assert (line["address"], "trustedProxies" in line["do"]) == ("10.0.0.2", True)


@pytest.fixture
async def client(guarded: FakeCore) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody's browser."""
    async with open_client(guarded) as client:
        yield client


async def test_strangers_learn_nothing_from_what_is_not_there(client: httpx.AsyncClient) -> None:
    """Whether there is a build of a number, or what is wrong with the server."""
    for path in ("/build/1", "/build/999", "/agents/oak", "/badge/demo.svg"):
        answer = await client.get(path, headers=BROWSER)
        assert answer.status_code == 303
    answer = await client.get("/nothing", headers=BROWSER)
    assert answer.status_code == 404
