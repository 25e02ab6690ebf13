"""Whatever an agent is called, a person can pause, resume and forget it, by page and by API."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import quote, urljoin

import httpx
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from trio.testing import MockClock

from ci.model import Agent, AgentState
from ci.server.views import AgentView
from ci.wire.registration import name_problem
from tests.story.test_fuzz import tell
from tests.story.world import SERVER, START, World

PAGE = f"http://{SERVER}/agents"
# What an earlier version took, and a path can't hold.
OLD = (
    " ",
    ".",
    "..",
    "/",
    "//",
    "a/b",
    "/a",
    "a/",
    "../x",
    "a/../b",
    "pause",
    "a/pause",
    "e\u0301",
)
ODD = (*OLD, "a b", "%2e%2e", "%2F", "?", "#", "a?b#c", ";", "&amp;", "<b>", '"', "+", "\\", "😀")
words = st.one_of(
    st.sampled_from(ODD), st.text(max_size=8), st.text("./\\%?#&;=+ aé\u0301\n\u202e", max_size=6)
)
in_short = settings(max_examples=settings().max_examples // 5)  # each is a server of its own


class Forms(HTMLParser):
    """The forms of a page, as a browser reads them: where each leads, and what it holds."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, or a field of the latest one."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((given["action"], {}))
        elif tag == "input" and self.found:
            self.found[-1][1][given["name"]] = given["value"]


async def known(world: World) -> dict[str, AgentView]:
    """All agents by name."""
    return {view.agent.name: view for view in await world.server.agents()}


async def press(client: httpx.AsyncClient, change: str, name: str) -> None:
    """Press a button of an agent, if its page has one."""
    html = (await client.get(PAGE, headers={"Accept": "text/html"})).text
    for action, fields in Forms(html).found:
        if action.endswith(f"/{change}") and fields["name"] == name:
            answer = await client.post(urljoin(PAGE, action), data=fields)
            assert answer.status_code == 303
            return
    raise AssertionError(f"there is no {change} for {name!r}")


async def call(client: httpx.AsyncClient, change: str, name: str, *, in_path: bool) -> None:
    """Ask the API for it."""
    url = f"http://{SERVER}/api/agents"
    if in_path:
        answer = await client.post(f"{url}/{quote(name, safe='')}/{change}")
    else:
        answer = await client.post(f"{url}/{change}", json={"name": name})
    assert answer.status_code == 200, answer.text


async def change_all(world: World, name: str, *, in_path: bool) -> None:
    """Pause, resume and forget a lost agent in every way there is."""
    async with world.network.client() as client:
        for ways in (0, 1):
            for change, paused in (("pause", True), ("resume", False)):
                if ways:
                    await press(client, change, name)
                else:
                    await call(client, change, name, in_path=in_path)
                assert (await known(world))[name].agent.paused is paused
        if in_path:
            await press(client, "forget", name)
        else:
            await call(client, "forget", name, in_path=False)
        assert name not in await known(world)


@in_short
@given(st.lists(words, min_size=1, max_size=12))
def test_every_name_that_is_taken_can_be_changed(names: list[str]) -> None:
    """And every other one is refused with the name of the field."""

    async def story(world: World) -> None:
        await world.start_server()
        for port, name in enumerate(names, 9001):
            agent = world.agent(port, name=name)
            answer = await agent.post("/notify_agent", json=agent.said)
            shown = name or agent.address
            if answer.status_code == 422:
                assert name_problem(name)
                assert answer.json()["error"]["field"] == "name"
                assert await known(world) == {}
                continue
            assert answer.status_code == 200, answer.text
            assert answer.json()["agent"] == shown
            await world.wait_state(AgentState.LOST)
            await change_all(world, shown, in_path=True)

    tell(story)


@pytest.mark.parametrize("name", OLD)
async def test_a_name_of_earlier_times_can_be_changed(
    world: World, autojump_clock: MockClock, name: str
) -> None:
    """What is in the store stays in reach, whatever is taken now."""
    server = await world.start_server()
    await server._store.save_agent(
        Agent(
            name=name, host="agent", port=9001, slots=1, labels=(), version="", boot_id="",
            home_id="", native=True, paused=False, first_seen=START, last_seen=START,
        )
    )  # fmt: skip
    await world.kill_server()
    await world.start_server()
    await world.wait_state(AgentState.LOST)
    await change_all(world, name, in_path=False)
