"""A badge shows how the newest build of a repository or a branch ended, and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import httpx
import pytest

from ci.config import ServerConfig
from ci.model import Reason, Status
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask
from tests.unit.web.conftest import open_client

SVG = "{http://www.w3.org/2000/svg}"
REPOSITORY = "https://example.org/demo.git"


def read(answer: httpx.Response, code: int = 200) -> str:
    """Check that it is a picture, and return what it says."""
    assert answer.status_code == code
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert answer.headers["Cache-Control"] == "no-cache"
    picture = ET.fromstring(answer.content)
    assert picture.tag == f"{SVG}svg"
    said = picture.attrib["aria-label"]
    assert picture.findtext(f"{SVG}title") == said
    assert ": ".join(text.text or "" for text in picture.iter(f"{SVG}text")) == said
    return said


async def end(client: httpx.AsyncClient, core: FakeCore, status: Status, branch: str = "") -> None:
    """Let one more build end so."""
    location = (await ask(client)).headers["Location"]
    number = int(location.removeprefix("/build/").removesuffix("#end"))
    core.start(number)
    core.describe(number, branch=branch)
    core.end(number, status, Reason.EXITED)


async def test_the_newest_end_is_shown(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Not what still runs, nor what somebody has canceled."""
    address = f"/badge/{REPOSITORY}.svg"
    assert read(await client.get(address)) == f"{REPOSITORY}: no builds"
    await end(client, core, Status.SUCCESS)
    assert read(await client.get(address)) == f"{REPOSITORY}: success"
    await end(client, core, Status.FAILURE)
    await end(client, core, Status.CANCELED)
    await ask(client)
    assert read(await client.get(address)) == f"{REPOSITORY}: failure"
    await end(client, core, Status.ERROR)
    assert read(await client.get(address)) == f"{REPOSITORY}: error"


async def test_a_branch_has_a_badge_of_its_own(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Others' builds do not change it."""
    await end(client, core, Status.SUCCESS, "main")
    await end(client, core, Status.FAILURE, "topic")
    address = f"/badge/{REPOSITORY}.svg"
    answer = await client.get(address, params={"branch": "main"})
    assert read(answer) == f"{REPOSITORY} main: success"
    answer = await client.get(address, params={"branch": "none"})
    assert read(answer) == f"{REPOSITORY} none: no builds"


async def test_a_badge_is_asked_again_and_sent_when_it_has_changed(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """304 while it is the same."""
    address = f"/badge/{REPOSITORY}.svg"
    before = await client.get(address)
    seen = {"If-None-Match": before.headers["ETag"]}
    assert (await client.get(address, headers=seen)).status_code == 304
    await end(client, core, Status.SUCCESS)
    assert (await client.get(address, headers=seen)).status_code == 200


@pytest.mark.parametrize(
    "name", ["elsewhere", "<b>&'\"", "%01%1B[31m", "%EF%BF%BE", "a/b/c", "日本語", "x" * 900]
)
async def test_an_unknown_name_is_a_picture_too(client: httpx.AsyncClient, name: str) -> None:
    """404, and a README shows the word in place of a broken image; no name breaks the picture."""
    said = read(await client.get(f"/badge/{name}.svg"), 404)
    assert said.endswith(": unknown")
    assert len(said) < 60


async def test_a_repository_that_is_a_path_has_a_badge() -> None:
    """Its first slash is left out: the address has one there already."""
    core = FakeCore(ServerConfig.check({"repository": "/srv/git/demo"}))
    async with open_client(core) as client:
        assert read(await client.get("/badge/srv/git/demo.svg")) == "/srv/git/demo: no builds"
        await end(client, core, Status.SUCCESS)
        assert read(await client.get("/badge/srv/git/demo.svg")) == "/srv/git/demo: success"
