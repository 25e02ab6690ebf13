"""Who looks at an agent sees what holds its builds in."""

from __future__ import annotations

import httpx
import pytest

from ci.config import ServerConfig
from tests.fakes.core import FakeCore
from tests.unit.web.conftest import BROWSER


@pytest.fixture
def core() -> FakeCore:
    """Agents with a sandbox, without, and one that does not say."""
    core = FakeCore(ServerConfig.check({"repository": "/srv/one"}))
    core.add_agent("oak", sandbox="bubblewrap, network <off>")
    core.add_agent("elm", sandbox="none")
    core.add_agent("ash")
    return core


async def test_its_page_says_what_is_in_force(client: httpx.AsyncClient) -> None:
    """In the agent's own words, and what it means that there is none."""
    pages = {
        name: (await client.get(f"/agents/{name}", headers=BROWSER)).text
        for name in ("oak", "elm", "ash")
    }
    assert "bubblewrap, network &lt;off&gt;" in pages["oak"]
    assert "none: builds run as the agent" in pages["elm"]
    assert "Sandbox" not in pages["ash"]


async def test_the_list_names_those_without(client: httpx.AsyncClient) -> None:
    """Once, for one of three."""
    assert (await client.get("/agents", headers=BROWSER)).text.count("no sandbox") == 1


async def test_the_api_tells_it(client: httpx.AsyncClient) -> None:
    """Null of one that does not say."""
    agents = (await client.get("/api/agents")).json()["agents"]
    said = {agent["name"]: agent["sandbox"] for agent in agents}
    assert said == {"ash": None, "elm": "none", "oak": "bubblewrap, network <off>"}
