"""What the stand-in has beyond the contract: it can be unreliable, and forgets nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ci.errors import ConfigError
from ci.storage_api.chaos import Chaos
from ci.storage_api.settings import StorageConfig
from ci.storage_api.store import Request, open_storage
from tests.unit.storage_api.test_contract import CONF, TOKEN, open_api, post, request_build


def _chances(*each: float) -> Chaos:
    """For each call: how slow it is, whether it fails, and if so whether before the change."""
    rest: Iterator[float] = iter(each)
    return Chaos(unstable=0.3, chance=lambda: next(rest, 0.9))


async def _numbers(api: httpx.AsyncClient) -> list[int]:
    return [build["buildNumber"] for build in (await api.get("build/list")).json()["data"]]


async def test_an_unstable_one_fails_before_or_after_the_change(tmp_path: Path) -> None:
    """And nobody can tell by the answer."""
    async with open_api(tmp_path) as api:
        await post(api, "conf", CONF)
    async with open_api(tmp_path, _chances(0, 0.1, 0.2, 0, 0.5)) as api:
        await post(api, "build/request", {}, 500)
        assert await _numbers(api) == []
    body = {"commitMessage": "", "commitHash": "main", "branchName": "", "authorName": ""}
    async with open_api(tmp_path, _chances(0, 0.1, 0.8, 0, 0.5)) as api:
        answer = await api.post("build/request", json=body)
        assert (answer.status_code, answer.content) == (500, b"")
        assert await _numbers(api) == [1]


async def test_what_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    """Numbers go on."""
    async with open_api(tmp_path) as api:
        await post(api, "conf", CONF)
        first = await request_build(api)
    with open_storage(tmp_path) as storage:
        assert storage.build(first).status == "Waiting"
        assert storage.request(Request("", "main", "", "")).number == 2


async def test_what_it_does_not_know_is_said_in_http(tmp_path: Path) -> None:
    """404 and 405; an id that there is not is a field that is wrong."""
    async with open_api(tmp_path) as api:
        assert (await api.get("elsewhere")).status_code == 404
        answer = await api.get("build/start")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        answer = await api.get(
            "build/details", params={"buildId": "00000000-0000-4000-8000-000000000000"}
        )
        assert (answer.status_code, [*answer.json()["errors"]]) == (400, ["buildId"])


def test_others_reach_it_only_with_a_token(tmp_path: Path) -> None:
    """The word Bearer, copied with it, is no part of it."""
    with pytest.raises(ConfigError, match="needs an apiToken"):
        StorageConfig.check({"host": "0.0.0.0"})
    config = StorageConfig.check({"host": "0.0.0.0", "apiToken": f"Bearer {TOKEN}"})
    assert config.api_token == TOKEN
