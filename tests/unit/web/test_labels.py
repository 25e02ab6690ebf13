"""Labels on pages and in the API: asked for, shown, kept when a build is run again."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.core import FakeCore
from tests.unit.web.conftest import BROWSER

BUILD = {"commit": "main", "command": "make"}


async def test_the_form_has_labels_where_there_are_any(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Who has agents without labels is not bothered; the known ones are offered."""
    core.add_agent("oak")
    assert 'name="labels"' not in (await client.get("/")).text
    core.add_agent("elm", labels=("linux", "big <mem>"))
    html = (await client.get("/")).text
    assert 'name="labels" value=""' in html
    assert "<option>big &lt;mem&gt;</option><option>linux</option>" in html


async def test_a_form_asks_for_labels_and_the_pages_show_them(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """In any order, by spaces or commas; the same when it is run again, or edited first."""
    core.add_agent("elm", labels=("gpu", "linux"))
    await client.post("/builds", data={**BUILD, "labels": " linux,gpu  linux"})
    assert (await core.build(1)).build.labels == ("gpu", "linux")
    shown = '<span class="label">gpu</span> <span class="label">linux</span>'
    page = (await client.get("/build/1")).text
    assert f"<dt>Labels</dt><dd>{shown}" in page
    assert 'name="labels" value="gpu linux"' in (await client.get("/?again=1")).text
    assert 'name="labels" value="gpu linux"' in (await client.get("/?labels=gpu+linux")).text
    assert shown in (await client.get("/")).text
    await client.post("/build/1/rerun")
    assert (await core.build(2)).build.labels == ("gpu", "linux")
    await client.post("/builds", data=BUILD)
    assert "<dt>Labels</dt>" not in (await client.get("/build/3")).text


async def test_the_api_asks_for_labels_and_tells_them(client: httpx.AsyncClient) -> None:
    """Sorted, each once; also in the build's twin."""
    answer = await client.post("/api/builds", json={**BUILD, "labels": ["linux", "gpu", "gpu"]})
    assert (answer.status_code, answer.json()["labels"]) == (201, ["gpu", "linux"])
    assert (await client.get("/build/1.json")).json()["labels"] == ["gpu", "linux"]
    assert (await client.post("/api/builds", json=BUILD)).json()["labels"] == []


@pytest.mark.parametrize(
    "labels",
    [
        "linux",
        {"linux": 1},
        [7],
        [None],
        [""],
        [" linux"],
        ["a\nb"],
        ["\u202eevil"],
        ["nul\x00"],
        ["x" * 101],
        [f"l{n}" for n in range(51)],
    ],
)
async def test_what_is_no_list_of_words_is_refused(
    client: httpx.AsyncClient, core: FakeCore, labels: object
) -> None:
    """With the name of the field; nothing is stored."""
    answer = await client.post("/api/builds", json={**BUILD, "labels": labels})
    assert answer.status_code == 422
    assert str(answer.json()["error"]["field"]).startswith("labels")
    assert core.numbers == ()


async def test_a_wrong_label_is_told_beside_the_form(client: httpx.AsyncClient) -> None:
    """Which keeps what was typed, though no agent has a label."""
    data = {**BUILD, "labels": f"linux {'x' * 101}"}
    answer = await client.post("/builds", data=data, headers=BROWSER)
    assert answer.status_code == 422
    assert "has 101 characters, at most 100 are allowed" in answer.text
    assert f'value="linux {"x" * 101}" list="known-labels"' in answer.text
    assert 'aria-invalid="true"' in answer.text
