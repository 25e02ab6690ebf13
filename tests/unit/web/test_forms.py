"""What a browser sends by a form, and what others send in its place."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from ci.web.body import FORM_TYPE
from tests.fakes.core import FakeCore
from tests.unit.web.conftest import BROWSER

HEADERS = BROWSER | {"Content-Type": FORM_TYPE}
GOOD = b"commit=main&command=make"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"commit=%ff&command=make", "commit"),
        (b"commit=main&command=make+%e4", "command"),
        (b"commit=main&command=\xe4", "command"),
        (GOOD + b"&repository=%80", "repository"),
        (b"commit=%ed%a0%80&command=make", "commit"),
    ],
)
async def test_what_is_not_utf8_is_refused(
    client: httpx.AsyncClient, core: FakeCore, body: bytes, field: str
) -> None:
    """422 with the name of the field, as from the API; no other character takes its place."""
    for accept in ("application/json", BROWSER["Accept"]):
        headers = HEADERS | {"Accept": accept}
        answer = await client.post("/builds", content=body, headers=headers)
        assert answer.status_code == 422
        assert f"{field}: is not text in UTF-8" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")
    assert not any((await core.counts()).values())


async def test_every_character_comes_through(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Spaces, signs that forms use themselves, and any letter."""
    for text in ("a b", "a+b", "a&b=c", "100%", "é\u202e😀", "\ufffd", "a\nb", "%41", "x=y&&"):
        answer = await client.post("/builds", data={"commit": "main", "command": f"echo {text}"})
        number = int(answer.headers["Location"].split("/")[2].partition("#")[0])
        assert (await core.build(number)).build.command == f"echo {text}"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (GOOD, "text/plain"),
        (b'{"commit":"main","command":"make"}', "application/json"),
        (b"--x\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"&" * 200_000, FORM_TYPE),
        (b"a=b&" * 200_000, FORM_TYPE),
        (b"%", FORM_TYPE),
        (b"", FORM_TYPE),
    ],
)
async def test_what_is_no_form_of_ours_is_refused(
    client: httpx.AsyncClient, core: FakeCore, body: bytes, kind: str
) -> None:
    """With a sentence, at no cost."""
    for path in ("/builds", "/agents/pause"):
        answer = await client.post(path, content=body, headers=BROWSER | {"Content-Type": kind})
        assert answer.status_code == (404 if path != "/builds" and len(body) < 2 else 422)
    assert not any((await core.counts()).values())


async def test_the_first_of_two_counts(client: httpx.AsyncClient, core: FakeCore) -> None:
    """As everywhere."""
    await client.post("/builds", content=GOOD + b"&commit=other", headers=HEADERS)
    assert (await core.build(1)).build.commit == "main"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/builds", "/"),
        ("/builds?q=x", "/"),
        ("/build/7/cancel", "/build/7"),
        ("/build/7/front", "/build/7"),
        ("/build/7/rerun", "/build/7"),
        ("/agents/pause", "/agents"),
        ("/agents/resume", "/agents"),
        ("/agents/forget", "/agents"),
        ("/agents/oak/pause", "/agents"),
        ("/agents/a/b/forget", "/agents"),
        ("/agents/revoke", "/agents"),
        ("/agents/oak/readmit", "/agents"),
    ],
)
async def test_a_forms_address_leads_to_its_page(
    client: httpx.AsyncClient, path: str, page: str
) -> None:
    """Whoever reloads, or types it, has changed nothing and finds the form."""
    for method in ("GET", "HEAD"):
        answer = await client.request(method, path, headers=BROWSER)
        assert (answer.status_code, answer.headers["Location"]) == (303, page)


async def test_a_script_may_name_an_agent_in_the_address(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Without a form; whatever is no step of a path comes through."""
    for name in ("oak", "10.0.0.7:8081", "a b?#é"):
        core.add_agent(name)
        for change, paused in (("pause", True), ("resume", False)):
            answer = await client.post(f"/agents/{quote(name)}/{change}")
            assert (answer.status_code, answer.headers["Location"]) == (303, "/agents")
            assert [view.agent.paused for view in await core.agents()][-1] is paused
