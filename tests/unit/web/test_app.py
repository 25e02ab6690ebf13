"""Every answer carries the same care: headers, errors in the reader's form, no foreign forms."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from ci.web.app import TOP, create_app
from tests.fakes.asgi import AppTransport
from tests.fakes.core import FakeCore
from tests.unit.web.conftest import BROWSER, form_token

FORM = {"commit": "main", "command": "x"}


@pytest.mark.parametrize("path", ["/", "/nope", "/api/nope", "/agents", "/healthz", "/static/x"])
async def test_each_answer_has_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    """Errors too."""
    headers = (await client.get(path, headers=BROWSER)).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


async def test_errors_come_in_the_readers_form(client: httpx.AsyncClient) -> None:
    """A page for a browser, JSON for a program and below /api/."""
    page = await client.get("/build/7", headers=BROWSER)
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert "there is no build 7" in page.text
    assert "Look in the list" in page.text, "it says what to do"
    for path, headers in (("/build/7", {}), ("/api/builds/7", BROWSER)):
        answer = await client.get(path, headers=headers)
        assert answer.json()["error"]["message"] == "there is no build 7"
    answer = await client.get("/build/7", headers={"Accept": "application/json, text/html;q=0.5"})
    assert answer.json()["error"]["field"] is None


async def test_a_page_takes_no_thread(client: httpx.AsyncClient, autojump_clock: MockClock) -> None:
    """For each of them others would be let run first, and under load these are many."""
    await client.post("/builds", data=FORM)
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    async with limiter:
        with trio.fail_after(1):
            for path in ("/", "/build/1", "/agents", "/pulse", "/nope"):
                assert "</" in (await client.get(path, headers=BROWSER)).text


async def test_a_wrong_method_is_said(client: httpx.AsyncClient) -> None:
    """405 with the right ones."""
    for method, path in (("GET", "/api/builds/1/cancel"), ("PUT", "/build/1/cancel")):
        answer = await client.request(method, path)
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]
        assert answer.json()["error"]["message"]


async def test_a_bug_is_a_plain_500(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Without a traceback, in the reader's form."""
    del core._views
    answer = await client.get("/", headers=BROWSER)
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "its log says what" in answer.text
    assert " UTC" in answer.text, "by the time one finds it in the log"
    answer = await client.get("/api/builds")
    assert answer.status_code == 500
    assert answer.json()["error"]["field"] is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://ci.test:81"},
        {"Origin": "http://[not-an-address"},
    ],
)
@pytest.mark.parametrize("path", ["/builds", "/api/builds", "/build/1/cancel", "/agents/pause"])
async def test_another_sites_form_is_refused(
    client: httpx.AsyncClient, core: FakeCore, headers: dict[str, str], path: str
) -> None:
    """403, and nothing happens."""
    await client.post("/builds", data=FORM)
    version = core.version()
    answer = await client.post(path, data=FORM, headers=headers)
    assert answer.status_code == 403
    assert core.version() == version


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://ci.test"},
    ],
)
async def test_own_forms_and_programs_are_welcome(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    """Programs send neither header, and need no token; the token of a page is that of its forms."""
    form = FORM if not headers else FORM | await form_token(client)
    assert (await client.post("/builds", data=form, headers=headers)).status_code == 303


async def test_static_files_are_kept_for_ever(client: httpx.AsyncClient) -> None:
    """By the version in their address; an address without it is asked again."""
    html = (await client.get("/")).text
    for name in ("style.css", "favicon.svg", "htmx-4.0.1.min.js"):
        start = html.index(f"/static/{name}?v=")
        url = html[start : html.index('"', start)]
        answer = await client.get(url)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        plain = await client.get(f"/static/{name}")
        assert plain.headers["Cache-Control"] == "no-cache"
        etag = {"If-None-Match": plain.headers["ETag"]}
        assert (await client.get(f"/static/{name}", headers=etag)).status_code == 304


@pytest.mark.parametrize("name", ["VENDORED.md", "..%2fpyproject.toml", "../pyproject.toml", "%00"])
async def test_only_static_files_are_sent(client: httpx.AsyncClient, name: str) -> None:
    """Nothing else of the disk."""
    assert (await client.get(f"/static/{name}")).status_code == 404


def test_vendored_files_are_what_they_say() -> None:
    """Unchanged: the table has the file's hash."""
    content = (TOP / "static" / "htmx-4.0.1.min.js").read_bytes()
    table = (TOP / "static" / "VENDORED.md").read_text(encoding="utf-8")
    assert hashlib.sha256(content).hexdigest() in table


def test_the_style_sheet_stays_small() -> None:
    """It is read before the first page is shown."""
    assert (TOP / "static" / "style.css").stat().st_size < 20_000


async def test_only_the_servers_own_names_are_answered(core: FakeCore) -> None:
    """Whatever the address; without a list every well-formed name is fine."""
    app: Any = create_app(core, 4 << 20, frozenset({"ci.test"}))
    transport = AppTransport(app)
    for path in ("/", "/nope", "/api/builds", "/static/style.css", "/healthz"):
        for host, refused in (
            ("ci.test", None), ("127.0.0.1:8080", None), ("evil.example", 421), ("x" * 64, 400),
        ):  # fmt: skip
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                answer = await client.get(path, headers=BROWSER | {"Host": host})
            if refused:
                assert answer.status_code == refused
                assert answer.json()["error"]["field"] == "Host"
            else:
                assert answer.status_code in (200, 404)


@pytest.mark.parametrize("host", ["ci_server:8080", "ci.test", "[::1]:8080"])
async def test_own_pages_may_ask_by_any_name_of_the_server(
    client: httpx.AsyncClient, host: str
) -> None:
    """An old browser says only Origin, a new one too where there is no TLS; "null" is nobody."""
    form = FORM | await form_token(client)
    for origin, status in ((f"http://{host}", 303), ("null", 403), ("http://evil.example", 403)):
        answer = await client.post("/builds", data=form, headers={"Host": host, "Origin": origin})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("host", "flags"),
    [
        ("ci_server:8080", "--server-host ci_server --server-port 8080"),
        ("ci.test", "--server-host ci.test --server-port 80"),
        ("[::1]", "--server-host ::1 --server-port 80"),
    ],
)
async def test_the_first_agents_command_is_ready_to_be_copied(
    client: httpx.AsyncClient, host: str, flags: str
) -> None:
    """With the address by which the reader found the server."""
    assert flags in (await client.get("/agents", headers={"Host": host})).text


async def test_what_programs_look_for_unasked_is_there(client: httpx.AsyncClient) -> None:
    """The mark of the site, and that search engines have no business here."""
    answer = await client.get("/favicon.ico")
    assert answer.status_code == 302
    svg = await client.get(answer.headers["Location"])
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert (await client.get("/robots.txt")).text == "User-agent: *\nDisallow: /\n"
