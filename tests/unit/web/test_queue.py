"""What pages and API say of those that wait, and what one may do for them."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.fakes.core import FakeCore
from tests.unit.web.conftest import BROWSER

NOTE = "its <b>disk</b> is being changed; it's & back at 5"


async def _ask(client: httpx.AsyncClient, count: int) -> None:
    for _ in range(count):
        await client.post("/builds", data={"commit": "main", "command": "make"})


async def test_a_build_is_moved_to_the_front_by_its_page(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The button is there as long as somebody is before it; one that runs is shown as it is.

    In the list as well.
    """
    await _ask(client, 3)
    fronts = re.findall(r'action="/build/(\d)/front', (await client.get("/")).text)
    assert fronts == ["3", "2"]
    assert "/front" not in (await client.get("/build/1")).text
    assert 'action="/build/3/front"' in (await client.get("/build/3")).text
    answer = await client.post("/build/3/front")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/build/3")
    assert "/front" not in (await client.get("/build/3")).text
    core.start(3)
    assert (await client.post("/build/3/front")).status_code == 303
    assert (await client.post("/build/9/front", headers=BROWSER)).status_code == 404


async def test_a_build_is_moved_to_the_front_by_the_api(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The answer tells its new place; one that does not wait is 409."""
    await _ask(client, 3)
    answer = await client.post("/api/builds/3/front")
    assert (answer.status_code, answer.json()["queue_position"]) == (200, 1)
    core.start(3)
    assert (await client.post("/api/builds/3/front")).status_code == 409


async def test_the_note_of_a_pause_is_for_all_to_read(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """By form or API; it goes with the pause, and no markup comes through."""
    core.add_agent("oak")
    await client.post("/agents/pause", data={"name": "oak", "note": f" {NOTE} "})
    assert (await client.get("/api/agents")).json()["agents"][0]["pause_note"] == NOTE
    for page in ("/agents", "/"):
        html = (await client.get(page)).text
        assert "its &lt;b&gt;disk&lt;/b&gt; is being changed" in html
    answer = await client.post("/api/agents/oak/resume")
    assert answer.json()["agents"][0]["pause_note"] is None
    answer = await client.post("/api/agents/oak/pause", json={"note": "moved"})
    assert answer.json()["agents"][0]["pause_note"] == "moved"
    answer = await client.post("/api/agents/pause", json={"name": "oak", "note": ""})
    assert answer.json()["agents"][0]["pause_note"] is None
    assert (await client.post("/api/agents/oak/pause")).status_code == 200


async def test_the_note_of_a_pause_is_said_once(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Where it stands in the reason why builds wait, it does not stand beside it."""
    core.add_agent("oak")
    await core.set_paused("oak", True, "its disk is changed")
    assert "</a> is paused: its disk is changed" in (await client.get("/")).text
    await _ask(client, 1)
    core.stick(1, "no agent takes work: oak is paused (its disk is changed)")
    assert (await client.get("/")).text.count("its disk is changed") == 1


@pytest.mark.parametrize("note", ["x" * 201, "one\ntwo", "\u202eevil", "nul \x00"])
async def test_a_note_that_is_no_sentence_is_refused(
    client: httpx.AsyncClient, core: FakeCore, note: str
) -> None:
    """With the field; the agent goes on."""
    core.add_agent("oak")
    answer = await client.post("/api/agents/oak/pause", json={"note": note})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "note")
    answer = await client.post("/agents/pause", data={"name": "oak", "note": note})
    assert answer.status_code == 422
    assert (await client.get("/api/agents")).json()["agents"][0]["state"] == "online"


@pytest.mark.parametrize("body", ["", "{}", '{"note": "x"}', '{"nmae": "oak"}', "[]"])
async def test_a_pause_of_nobody_is_refused(client: httpx.AsyncClient, body: str) -> None:
    """Where neither address nor body names the agent, nothing is guessed."""
    assert (await client.post("/api/agents/pause", content=body)).status_code == 422


async def test_what_waits_for_a_person_is_red(client: httpx.AsyncClient, core: FakeCore) -> None:
    """In the list and on its page, and its cause is said once; who waits for his turn is not."""
    await _ask(client, 3)
    core.stick(2)
    core.stick(3)
    rows = (await client.get("/")).text
    assert rows.count('<span class="why failure">Next in line; no agent takes work</span>') == 2
    assert rows.count("Builds wait because no agent takes work: oak is paused.") == 1
    assert '<span class="why">In line</span>' in rows
    html = (await client.get("/build/2")).text
    assert '<div class="verdict failure">' in html
    assert html.count("no agent takes work") == 1
    assert '<div class="verdict waiting">' in (await client.get("/build/1")).text


async def test_of_several_reasons_each_names_who_waits_for_it(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The first in line, and how many more; what waits for a person comes first."""
    await _ask(client, 6)
    for number, because in ((1, "oak is busy"), (3, "no agent has label gpu")):
        core.stick(number, because)
    html = (await client.get("/")).text
    link = '<a href="/build/%d">#%d</a>'
    assert f"{link % (1, 1)} waits because oak is busy." in html
    assert f"{link % (3, 3)} waits because no agent has label gpu." in html
    core.stick(5, "oak is busy")
    html = (await client.get("/")).text
    assert f"{link % (1, 1)} and {link % (5, 5)} wait because oak is busy." in html
    core.stick(6, "oak is busy")
    assert f"{link % (1, 1)} and 2 more wait because oak" in (await client.get("/")).text
