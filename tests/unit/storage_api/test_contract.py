"""The contract of the storage API, call by call: the stand-in keeps it.

So must any other one that our server is to work with. With STORAGE_API_URL and STORAGE_API_TOKEN in
the environment the one at that address is asked; its configuration and builds are removed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest

from ci.storage_api.app import create_app
from ci.storage_api.chaos import Chaos
from ci.storage_api.store import open_storage
from tests.fakes.asgi import AppTransport

CONF: Final = {
    "repoName": "owner/name",
    "buildCommand": "make test",
    "mainBranch": "main",
    "period": 0,
}
COMMIT: Final = {
    "commitMessage": "Fix the ünïcode\n\nat last",
    "commitHash": "1f" * 20,
    "branchName": "main",
    "authorName": "Ada <ada@example.org>",
}
TOKEN: Final = "t-0k3n"


@asynccontextmanager
async def open_api(folder: Path, chaos: Chaos | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Reach the API that is to be tested, with nothing configured there."""
    if elsewhere := os.environ.get("STORAGE_API_URL"):
        client = httpx.AsyncClient(base_url=elsewhere, timeout=30)
        client.headers["Authorization"] = f"Bearer {os.environ['STORAGE_API_TOKEN']}"
        async with client:
            await client.delete("conf")
            yield client
        return
    with open_storage(folder) as storage:
        app: Any = create_app(storage, TOKEN, chaos or Chaos())
        transport = AppTransport(app)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://storage/api", headers=headers
        ) as client:
            yield client


async def post(api: httpx.AsyncClient, path: str, body: dict[str, Any], status: int = 200) -> Any:
    """Send a body; an empty answer is None."""
    answer = await api.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def get(api: httpx.AsyncClient, path: str, **arguments: object) -> Any:
    """Ask for something."""
    answer = await api.get(path, params={name: str(value) for name, value in arguments.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def request_build(api: httpx.AsyncClient, **changes: str) -> str:
    """Ask for a build and return its id."""
    said = (await post(api, "build/request", COMMIT | changes))["data"]
    assert said.keys() == {"id", "buildNumber", "status"}
    id: str = said["id"]
    return id


async def details(api: httpx.AsyncClient, id: str) -> dict[str, Any]:
    """Ask for a build."""
    found: dict[str, Any] = (await get(api, "build/details", buildId=id))["data"]
    return found


async def test_nothing_is_configured_at_first(tmp_path: Path) -> None:
    """Then there is an empty object, no build, and none can be asked for."""
    async with open_api(tmp_path) as api:
        assert await get(api, "conf") == {}
        assert (await get(api, "build/list"))["data"] in ([], None)
        assert (await api.post("build/request", json=COMMIT)).status_code >= 400


async def test_a_configuration_is_kept_and_has_an_id(tmp_path: Path) -> None:
    """Its answer is empty; another repository is another configuration, without old builds."""
    async with open_api(tmp_path) as api:
        assert await post(api, "conf", CONF) is None
        there = (await get(api, "conf"))["data"]
        assert UUID(there["id"])
        assert {key: there[key] for key in CONF} == CONF
        await request_build(api)
        await post(api, "conf", CONF | {"repoName": "owner/other"})
        other = (await get(api, "conf"))["data"]
        assert other["id"] != there["id"]
        assert (await get(api, "build/list"))["data"] in ([], None)
        await api.delete("conf")
        assert await get(api, "conf") == {}


async def test_builds_are_numbered_from_1_and_listed_newest_first(tmp_path: Path) -> None:
    """25 at once, or as many as one asks for, from an offset on."""
    async with open_api(tmp_path) as api:
        await post(api, "conf", CONF)
        ids = [await request_build(api, commitMessage=f"No. {n}") for n in range(1, 28)]
        first = (await get(api, "build/list"))["data"]
        assert [build["buildNumber"] for build in first] == list(range(27, 2, -1))
        rest = (await get(api, "build/list", offset=25, limit=25))["data"]
        assert [build["id"] for build in rest] == [ids[1], ids[0]]
        two = (await get(api, "build/list", offset=1, limit=2))["data"]
        assert [build["commitMessage"] for build in two] == ["No. 26", "No. 25"]
        conf = (await get(api, "conf"))["data"]["id"]
        assert {build["configurationId"] for build in first} == {conf}


async def test_a_build_from_request_to_end(tmp_path: Path) -> None:
    """Waiting, InProgress, Success; the time it began comes back in UTC without a zone."""
    async with open_api(tmp_path) as api:
        await post(api, "conf", CONF)
        id = await request_build(api)
        build = await details(api, id)
        assert {key: build[key] for key in COMMIT} == COMMIT
        assert (build["status"], build["buildNumber"]) == ("Waiting", 1)
        assert (build.get("start"), build.get("duration")) == (None, None)
        begun = {"buildId": id, "dateTime": "2020-04-06T22:39:36.200Z"}
        assert await post(api, "build/start", begun) is None
        build = await details(api, id)
        assert (build["status"], build["start"]) == ("InProgress", "2020-04-06T22:39:36.2")
        end = {"buildId": id, "duration": 4321, "success": True, "buildLog": "grün\n"}
        assert await post(api, "build/finish", end) is None
        build = await details(api, id)
        assert (build["status"], build["duration"]) == ("Success", 4321)
        assert (await api.get("build/log", params={"buildId": id})).text == "grün\n"


async def test_a_red_build_is_a_fail(tmp_path: Path) -> None:
    """In one word of the five that there are."""
    async with open_api(tmp_path) as api:
        await post(api, "conf", CONF)
        id = await request_build(api)
        await post(api, "build/start", {"buildId": id, "dateTime": "2020-04-06T22:39:36Z"})
        assert (await details(api, id))["start"] == "2020-04-06T22:39:36"
        end = {"buildId": id, "duration": 0, "success": False, "buildLog": ""}
        await post(api, "build/finish", end)
        assert (await details(api, id))["status"] == "Fail"


Change = tuple[str, dict[str, Any]]
START: Final[Change] = ("build/start", {"dateTime": "2020-04-06T22:39:36Z"})
FINISH: Final[Change] = ("build/finish", {"duration": 1, "success": True, "buildLog": ""})
CANCEL: Final[Change] = ("build/cancel", {})


@pytest.mark.parametrize(
    ("before", "then", "status"),
    [
        ([START], START, "InProgress"),
        ([], FINISH, "Waiting"),
        ([START, FINISH], FINISH, "Success"),
        ([START, FINISH], START, "Success"),
        ([START, FINISH], CANCEL, "Success"),
        ([CANCEL], START, "Canceled"),
        ([START, CANCEL], FINISH, "Canceled"),
        ([CANCEL], CANCEL, "Canceled"),
    ],
)
async def test_no_other_change_is_possible(
    tmp_path: Path,
    before: list[Change],
    then: Change,
    status: str,
) -> None:
    """What can't be is answered 500, and changes nothing."""
    async with open_api(tmp_path) as api:
        await post(api, "conf", CONF)
        id = await request_build(api)
        for path, body in before:
            await post(api, path, {"buildId": id} | body)
        path, body = then
        await post(api, path, {"buildId": id} | body, 500)
        assert (await details(api, id))["status"] == status


async def test_who_shows_no_token_is_told_so(tmp_path: Path) -> None:
    """With the scheme that is wanted."""
    async with open_api(tmp_path) as api:
        for header in ("", "Bearer wrong", "Basic abc"):
            answer = await api.get("conf", headers={"Authorization": header})
            assert answer.status_code == 401
            assert "bearer" in answer.headers["WWW-Authenticate"].lower()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("conf", {name: value for name, value in CONF.items() if name != "period"}, "period"),
        ("build/request", {**COMMIT, "commitHash": 7}, "commitHash"),
        ("build/start", {"buildId": "no id", "dateTime": "2020-04-06T22:39:36Z"}, "buildId"),
        (
            "build/start",
            {"buildId": str(uuid4()), "dateTime": "0001-01-01T00:00:00+14:00"},
            "dateTime",
        ),
        ("build/finish", {"buildId": str(uuid4()), "success": True, "buildLog": ""}, "duration"),
    ],
)
async def test_a_body_that_is_wrong_is_refused_by_field(
    tmp_path: Path, path: str, body: dict[str, Any], field: str
) -> None:
    """As 400, with a title and what is wrong with each field."""
    async with open_api(tmp_path) as api:
        await post(api, "conf", CONF)
        said = await post(api, path, body, 400)
        assert said["title"]
        assert any(name.lower() == field.lower() for name in said["errors"])


@pytest.mark.parametrize("path", ["/conf/", "CONF", "Build/List/", "build/LIST?limit=1"])
async def test_addresses_have_no_case_and_may_end_in_a_slash(tmp_path: Path, path: str) -> None:
    """As clients write them."""
    async with open_api(tmp_path) as api:
        assert (await api.get(path)).status_code == 200
