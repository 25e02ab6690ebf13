"""The page of one agent: how it is, what it did, and what one may do with it there."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx
import pytest

from ci.model import AgentState, Status
from ci.server.views import Refusal
from tests.fakes.core import START, FakeCore
from tests.unit.web.checks import ask, check, poll
from tests.unit.web.conftest import BROWSER, HTMX


async def test_all_of_an_agent(client: httpx.AsyncClient, core: FakeCore) -> None:
    """What it says of itself, what it runs, its last builds and how they ended; nobody else's."""
    core.add_agent("oak", labels=("linux", "gpu"))
    core.add_agent("elm")
    for number, agent in enumerate(("oak", "elm", "oak"), 1):
        await ask(client)
        core.start(number, agent)
    core.end(1, Status.FAILURE, exit_code=2)
    html = check(await client.get("/agents/oak", headers=BROWSER))
    for shown in ("linux", "gpu", "0.42", "123.5 GB", "10.0.0.7:8081", "0.1.0", "1 of 2 busy"):
        assert shown in html
    assert '<a href="/build/3#end">#3</a>' in html
    assert re.findall(r'<tr id="b(\d)"', html) == ["3", "1"]
    assert re.findall(r"<title>(#.*?)</title>", html) == ["#1 failure, 0.0 s"]
    assert "Last refused" not in html


async def test_the_agents_page_leads_there(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Whatever the name is; one that nobody has is 404."""
    for name in ("oak", "10.0.0.7:8081", "a b?#é/x", "<i>"):
        core.add_agent(name)
        html = check(await client.get("/agents"))
        [address] = re.findall(rf'href="(/agents/{re.escape(quote(name, safe="/:"))})"', html)
        assert f'value="{name.replace("<", "&lt;").replace(">", "&gt;")}"' in check(
            await client.get(address)
        )
    assert "no agent yew" in check(await client.get("/agents/yew", headers=BROWSER), 404)


async def test_what_it_refused_last(client: httpx.AsyncClient, core: FakeCore) -> None:
    """With the build and the answer; programs are told, too."""
    core.add_agent("oak", refused=Refusal(7, "answered 422: command: <no>", START))
    html = check(await client.get("/agents/oak", headers=BROWSER))
    assert 'href="/build/7">#7</a>' in html
    assert "answered 422: command: &lt;no&gt;" in html
    [told] = (await client.get("/api/agents")).json()["agents"]
    assert told["refused"] == {
        "build": 7, "why": "answered 422: command: <no>", "at": "2026-11-21T14:03:22.000Z"
    }  # fmt: skip


@pytest.mark.parametrize("back", ["agent", "//evil.example", None])
async def test_who_changes_it_there_stays_there(
    client: httpx.AsyncClient, core: FakeCore, back: str | None
) -> None:
    """Pause with a note and resume; other words for where to go are not believed."""
    core.add_agent("oak")
    page = "/agents/oak" if back == "agent" else "/agents"
    form = {"name": "oak"} | ({} if back is None else {"back": back})
    assert 'name="back" value="agent"' in check(await client.get("/agents/oak"))
    answer = await client.post("/agents/pause", data=form | {"note": "its disk <is> changed"})
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert "paused: its disk &lt;is&gt; changed" in check(await client.get("/agents/oak"))
    answer = await client.post("/agents/resume", data=form)
    assert answer.headers["Location"] == page
    assert "Resume" not in check(await client.get("/agents/oak"))


async def test_a_lost_one_is_forgotten_there(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Its page is gone with it, so one comes to the others."""
    core.add_agent("oak", state=AgentState.LOST, problem="connection refused")
    page = check(await client.get("/agents/oak", headers=BROWSER))
    assert "connection refused" in page
    assert "Forget" in page
    answer = await client.post("/agents/forget", data={"name": "oak", "back": "agent"})
    assert answer.headers["Location"] == "/agents"
    answer = await client.get(poll(page, "agent"), headers=HTMX)
    assert answer.status_code == 404


async def test_it_is_revoked_and_let_in_again_there(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """One stays on its page, which says how it stands; the list has no such button."""
    core.add_agent("oak")
    page = check(await client.get("/agents/oak"))
    assert "the shared token" in page
    assert "Let it enrol again" not in page
    form = {"name": "oak", "back": "agent"}
    answer = await client.post("/agents/revoke", data=form)
    assert answer.headers["Location"] == "/agents/oak"
    page = check(await client.get("/agents/oak"))
    assert "<dd>revoked</dd>" in page
    assert "Revoke…" not in page
    answer = await client.post("/agents/readmit", data=form)
    assert answer.headers["Location"] == "/agents/oak"
    assert "the shared token" in check(await client.get("/agents/oak"))
    assert "Revoke" not in check(await client.get("/agents"))


async def test_its_page_refreshes(client: httpx.AsyncClient, core: FakeCore) -> None:
    """What begins there is told; nothing new is nothing to send."""
    core.add_agent("oak")
    await ask(client)
    url = poll(check(await client.get("/agents/oak")), "agent")
    assert (await client.get(url, headers=HTMX)).status_code == 204
    core.start(1, "oak")
    told = await client.get(url, headers=HTMX)
    assert 'href="/build/1#end">#1</a>' in told.text
    assert "<html" not in told.text
