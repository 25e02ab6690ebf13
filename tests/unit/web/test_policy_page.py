"""The page of the rules, and what leads to it."""

from __future__ import annotations

import httpx
import pytest

from ci.config import ServerConfig
from ci.model import Reason, Status
from tests.fakes.core import FakeCore
from tests.unit.web.conftest import BROWSER, open_client

SETTINGS = {"repositories": {"one": "/srv/one", "two": "/srv/two"}, "commands": ["make *"]}


@pytest.fixture
def core() -> FakeCore:
    """A server that has rules, and three agents with other ones."""
    core = FakeCore(ServerConfig.check(SETTINGS))
    core.add_agent("oak", commands=("any",))
    core.add_agent("elm", commands=("build-tools",), repositories=("/srv/two",))
    core.add_agent("ash")
    return core


async def test_it_says_for_each_whether_it_would_run(client: httpx.AsyncClient) -> None:
    """And as which words."""
    page = await client.get("/policy?command=make+'a%20b'", headers=BROWSER)
    assert page.status_code == 200
    server, oak, elm, ash = page.text.split("<section ")[1:]
    assert "Yes, without a shell, as 2 words: <code>make</code> <code>a b</code>" in server
    assert "Yes, without a shell" in oak, "the server's rules say so"
    assert "No. The agent&#39;s rules don&#39;t allow this repository" in elm
    assert "does not tell its rules" in ash
    page = await client.get("/policy?command=make+--eval=x&repository=two", headers=BROWSER)
    assert "no rule allows it; there is make [-j]" in page.text
    assert 'value="make --eval=x"' in page.text


async def test_it_says_what_is_refused_and_builds_nothing(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """By the sentence that the build would have; what is typed is no HTML."""
    page = await client.get("/policy?command=make%3B<b>", headers=BROWSER)
    assert "No. The server&#39;s rules don&#39;t allow this command: it has ; (another" in page.text
    assert "<b>" not in page.text.partition("<form")[2]
    assert not any((await core.counts()).values())


@pytest.mark.parametrize("query", ["command=", "command=make&repository=three"])
async def test_what_could_not_be_asked_for_is_told(client: httpx.AsyncClient, query: str) -> None:
    """As the form for a build does, with the rules below it."""
    page = await client.get(f"/policy?{query}", headers=BROWSER)
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert page.text.count("<section ") == 4
    answer = await client.get(f"/api/policy?{query}")
    assert answer.status_code == 422
    assert set(answer.json()["error"]) == {"field", "message"}


async def test_programs_are_told_the_same(client: httpx.AsyncClient) -> None:
    """The rules alone, or what they say of a command."""
    rules = (await client.get("/api/policy")).json()["rules"]
    assert [one["agent"] for one in rules] == [None, "oak", "elm", "ash"]
    assert [one["commands"] for one in rules] == [["make *"], ["any"], ["build-tools"], None]
    assert [one["allowed"] for one in rules] == [None] * 4
    assert rules[0]["why"] == "the setting commands says so"
    asked = (await client.get("/api/policy?command=make&repository=two")).json()["rules"]
    assert [one["allowed"] for one in asked] == [True, True, True, None]
    assert asked[0]["words"] == ["make"]
    asked = (await client.get("/api/policy?command=id")).json()["rules"]
    assert [one["allowed"] for one in asked] == [False, True, False, None], "each by its own"
    agents = (await client.get("/api/agents")).json()["agents"]
    assert [one["repositories"] for one in agents] == [None, ["/srv/two"], None]


async def test_the_form_and_a_refused_build_lead_there(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The form only where not all may run."""
    build = await core.submit(repository="two", commit="main", command="id")
    assert 'href="/policy"' in (await client.get("/", headers=BROWSER)).text
    why = "The server's rules don't allow this command: there is <none>."
    core.end(build.number, Status.ERROR, Reason.COMMAND_REFUSED, message=why)
    page = (await client.get("/build/1", headers=BROWSER)).text
    assert "there is &lt;none&gt;." in page
    assert 'href="/policy?again=1"' in page
    page = (await client.get("/policy?again=1", headers=BROWSER)).text
    assert 'value="id"' in page
    assert "<option selected>two</option>" in page
    assert (await client.get("/policy?again=2", headers=BROWSER)).status_code == 404
    async with open_client(FakeCore()) as anybody:
        assert 'href="/policy"' not in (await anybody.get("/", headers=BROWSER)).text


async def test_a_script_keeps_its_lines(client: httpx.AsyncClient, core: FakeCore) -> None:
    """A field of one line would join them to a command that nobody has asked about."""
    await core.submit(repository="two", commit="main", command="make\nid")
    page = (await client.get("/policy?again=1", headers=BROWSER)).text
    assert ">\nmake\nid</textarea>" in page
    assert "a line break (another command)" in page


async def test_pages_of_agents_say_what_may_run_there(client: httpx.AsyncClient) -> None:
    """In the list only where that is not all."""
    listed = (await client.get("/agents", headers=BROWSER)).text
    assert listed.count("build-tools") == 1
    page = (await client.get("/agents/elm", headers=BROWSER)).text
    assert "build-tools" in page
    assert "/srv/two" in page
