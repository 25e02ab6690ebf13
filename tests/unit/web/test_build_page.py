"""A build's page beyond its log: its time, its neighbours, what one may do with it elsewhere."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from ci.model import Status
from tests.fakes.core import FakeCore
from tests.unit.web.checks import check
from tests.unit.web.conftest import HTMX


async def _ask(client: httpx.AsyncClient, command: str = "make") -> None:
    await client.post("/builds", data={"commit": "main", "command": command})


async def test_neighbours_are_links(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Before, after and the last green one; none of them is none."""
    for _ in range(3):
        await _ask(client)
    core.start(1)
    core.end(1, Status.SUCCESS)
    html = check(await client.get("/build/2"))
    assert '<a rel="prev" href="/build/1">' in html
    assert '<a rel="next" href="/build/3">' in html
    assert "last green before it #1" in html


async def test_a_build_without_neighbours_has_no_links_to_any(client: httpx.AsyncClient) -> None:
    """The first one of all; their place is there, so that nothing moves when one comes."""
    await _ask(client)
    html = check(await client.get("/build/1"))
    assert "no other build" in html
    assert 'rel="prev"' not in html
    assert 'rel="next"' not in html


async def test_its_time_is_drawn(client: httpx.AsyncClient, core: FakeCore) -> None:
    """By a bar without any style of its own, which the policy would refuse; and in words."""
    await _ask(client)
    core.start(1, "oak")
    html = check(await client.get("/build/1", headers=HTMX))
    assert re.search(r'<rect class="running" x="\d+" width="\d+"', html)
    assert "ran 0.0 s so far" in html
    assert ' style="' not in html


@pytest.mark.parametrize("command", ["make test", "echo 'a & b' > \"c\" # <ü>", "true; false"])
async def test_a_build_is_edited_before_it_runs_again(
    client: httpx.AsyncClient, core: FakeCore, command: str
) -> None:
    """The link fills the form, and runs nothing."""
    await _ask(client, command)
    html = check(await client.get("/build/1"))
    [link] = re.findall(r'<a href="([^"]+)">edit first</a>', html)
    html = check(await client.get(unescape(link)))
    [value] = re.findall(r'<input id="command" [^>]*value="([^"]*)"', html)
    assert unescape(value) == command
    assert 'name="commit" value="main"' in html
    assert (await core.counts())[Status.WAITING] == 1


@pytest.mark.parametrize("command", ["make <a>\n\nmake test", "set -e\n" * 2000 + "make"])
async def test_a_script_is_edited_line_by_line(
    client: httpx.AsyncClient, core: FakeCore, command: str
) -> None:
    """However long it is; a browser sends other line ends than a shell reads."""
    await _ask(client, command)
    html = check(await client.get("/?again=1"))
    [value] = re.findall(r"<textarea [^>]*>\n([^<]*)</textarea>", html)
    assert unescape(value) == command
    await _ask(client, command.replace("\n", "\r\n"))
    assert (await core.build(2)).build.command == command


async def test_only_a_build_that_is_there_is_edited(client: httpx.AsyncClient) -> None:
    """What else the address says, counts more."""
    await _ask(client)
    assert (await client.get("/?again=2", headers=HTMX)).status_code == 404
    assert (await client.get("/?again=x")).status_code == 422
    assert 'name="commit" value="v2"' in check(await client.get("/?again=1&commit=v2"))


async def test_a_build_of_a_repository_of_before_is_not_edited(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """There is no form for it any more, which its page says."""
    await _ask(client)
    core.rename(1, "gone")
    html = check(await client.get("/build/1"))
    assert "edit first" not in html
    assert "Its repository is gone from the settings." in html


async def test_take_it_home(client: httpx.AsyncClient, core: FakeCore) -> None:
    """As soon as its exact commit is known; markup in it is text."""
    await _ask(client, "make </pre><script>")
    core.start(1)
    assert "git clone" not in check(await client.get("/build/1"))
    core.describe(1, commit_hash="1f" * 20)
    html = check(await client.get("/build/1"))
    assert f"git checkout --detach {'1f' * 20}" in html
    assert "<script>" not in html.replace("<script src", "")
