"""The page of the secrets: set, replaced, removed, and never shown."""

from __future__ import annotations

import json

import httpx
import pytest

from ci.model import Standing
from tests.fakes.core import FakeCore
from tests.unit.web.checks import check

URL = "https://example.org/demo.git"
VALUE = "a <secret> value"
FORM = {"repository": URL, "name": "DEPLOY_KEY", "value": VALUE, "branches": "main, release/*"}


async def test_a_secret_is_set_and_never_shown(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Neither on the page nor by the API; its name and rules are."""
    assert "There are none." in check(await client.get("/secrets"))
    answer = await client.post("/secrets", data=FORM | {"commands": "make deploy\r\n\r\nmake *"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/secrets")
    html = check(await client.get("/secrets"))
    for shown in ("DEPLOY_KEY", "main, release/*", "make deploy, make *", "never"):
        assert shown in html
    [kept] = core.vault.all()
    assert kept.branches == ("main", "release/*")
    told = (await client.get("/api/secrets")).text
    assert json.loads(told)["environment_names"] is None  # so all but dangerous ones
    for seen in (html, told, repr(kept)):
        assert "&lt;secret&gt;" not in seen
        assert "<secret>" not in seen


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "LD_PRELOAD"},
        {"value": "<a>"},
        {"branches": ""},
        {"commands": "make; id"},
        {"repository": "elsewhere"},
    ],
)
async def test_a_wrong_form_comes_back_without_the_value(
    client: httpx.AsyncClient, core: FakeCore, wrong: dict[str, str]
) -> None:
    """With all else that was typed, and what is wrong."""
    html = check(await client.post("/secrets", data=FORM | wrong), 422)
    assert "a &lt;secret&gt; value" not in html
    assert 'role="alert"' in html
    assert f'value="{(FORM | wrong)["name"]}"' in html
    assert not core.vault.all()


async def test_it_is_removed(client: httpx.AsyncClient, core: FakeCore) -> None:
    """By its repository and name; one that there is not is 404."""
    await client.post("/secrets", data=FORM)
    answer = await client.post("/secrets/remove", data={"repository": URL, "name": "OTHER"})
    assert answer.status_code == 404
    answer = await client.post("/secrets/remove", data={"repository": URL, "name": "DEPLOY_KEY"})
    assert answer.status_code == 303
    assert not core.vault.all()


async def test_an_agent_is_trusted_and_no_more(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Only one that has a credential of its own can be."""
    core.add_agent("oak", standing=Standing.ENROLLED, no_secrets="no sandbox")
    core.add_agent("elm")
    core.safe.generations["oak"] = 0
    html = check(await client.get("/secrets"))
    assert "not trusted; takes none: no sandbox" in html
    assert html.count(">Trust<") == 1
    answer = await client.post("/secrets/trust", data={"name": "oak", "trusted": "yes"})
    assert answer.status_code == 303
    assert "Trust no more" in check(await client.get("/secrets"))
    await client.post("/secrets/trust", data={"name": "oak", "trusted": "no"})
    assert "Trust no more" not in check(await client.get("/secrets"))


async def test_a_name_that_looks_like_another_one_says_so(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Where an administrator would trust it."""
    for name in ("oak", "\u043eak", "Büro"):
        core.add_agent(name, standing=Standing.ENROLLED)
    html = check(await client.get("/secrets"))
    assert html.count("cyrillic") == 1
    assert "\u043e is cyrillic small letter o<" in html
    assert "ü is latin small letter u with diaeresis<" in html


async def test_a_build_says_which_it_had(client: httpx.AsyncClient, core: FakeCore) -> None:
    """In the words of its last attempt."""
    await client.post("/builds", data={"commit": "main", "command": "make"})
    id = core.start(1)
    assert "Secrets: " not in check(await client.get("/build/1"))
    core.note_secrets(id, "It had <b> KEY.")
    assert ">Secrets: It had &lt;b&gt; KEY.<" in check(await client.get("/build/1"))
    told = (await client.get("/api/builds/1")).json()
    assert told["attempts"][0]["secrets"] == "It had <b> KEY."
