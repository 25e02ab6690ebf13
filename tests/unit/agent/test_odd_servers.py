"""Servers that others wrote speak in odd ways, and get their builds done all the same."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import trio

from tests.fakes.stage import Stage

JOB: dict[str, Any] = {
    "buildId": "7",
    "repoUrl": "/srv/git/demo",
    "commitHash": "main",
    "buildCommand": "echo 1",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Have a server of others."""
    stage.server.foreign = True
    return stage


@pytest.mark.parametrize(
    "asked",
    [
        {"content": b"\xef\xbb\xbf" + json.dumps(JOB).encode()},
        {"content": json.dumps(JOB), "headers": {"Content-Type": "text/plain"}},
        {"content": json.dumps(JOB), "headers": FORM},
        {"content": json.dumps(JOB)},
        {"data": JOB},
        {"params": JOB},
        {"url": "/build/", "json": JOB},
        {"json": JOB | {"commitHash": "main\n"}},
        {"json": JOB | {"id": "", "commit": "", "repository": "", "command": ""}},
        {"json": JOB | {"commit": {"hash": "abc", "author": {"name": "x"}}}},
        {"json": JOB | {"repository": {"name": "demo"}}},
        {"json": JOB | {"env": None, "number": None, "timeout_s": None, "protocol": None}},
        {"json": JOB | {"env": "production", "number": 1.5, "secrets": "none", "shell": "bash"}},
        {"json": JOB | {"env": ["A=1"], "secrets": {"a": "b"}, "protocol": "http"}},
        {"json": {"build": JOB | {"id": None, "commit": ""}}},
    ],
    ids=lambda asked: str(asked)[:60],
)
async def test_a_job_in_an_odd_form_is_built(stage: Stage, asked: dict[str, Any]) -> None:
    """What can only be meant in one way is meant in that way."""
    async with stage.agent() as (_, http):
        answer = await http.post(**{"url": "/build", **asked})
        assert answer.status_code == 202, answer.text
        result = await stage.server.wait_result()
    assert (result["buildId"], result["log"]) == ("7", "1\n")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(201),
        httpx.Response(204),
        httpx.Response(200, text="<h1>Thanks</h1>", headers=HTML),
        httpx.Response(202, json=[1, {"id": []}]),
        httpx.Response(200, json={"agent": {"id": 1}, "attempts": [], "protocol": "x"}),
    ],
    ids=lambda answer: f"{answer.status_code} {answer.text}",
)
async def test_any_good_answer_is_a_yes(stage: Stage, answer: httpx.Response) -> None:
    """To a registration and to a result."""
    for path in ("/notify-agent", "/notify-build-result"):
        stage.server.answers[path] = [answer]
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await http.post("/build", json=JOB)
        await trio.sleep(5)
    assert stage.server.count("/notify-agent") == 1
    assert stage.server.count("/notify-build-result") == 1
    assert stage.kept == []


@pytest.mark.parametrize(
    ("status", "location"), [(308, "/v2/tell"), (307, "tell"), (301, "/notify-build-result/")]
)
async def test_a_call_that_has_moved_is_made_there(
    stage: Stage, status: int, location: str
) -> None:
    """As frameworks do it with a slash at the end."""
    there = httpx.URL("http://x/notify-build-result").join(location).path
    moved = httpx.Response(status, headers={"Location": location})
    stage.server.answers = {"/notify-build-result": [moved], there: [httpx.Response(200)]}
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await http.post("/build", json=JOB)
        await trio.sleep(5)
    assert stage.server.count(there) == 1
    assert stage.kept == []


@pytest.mark.parametrize("location", ["/login", "/", "https://elsewhere/notify-build-result"])
async def test_what_leads_to_another_page_is_no_yes(stage: Stage, location: str) -> None:
    """That may be the page to log in, or another server, which must not see what we show."""
    stage.server.answers["/notify-build-result"] = [
        httpx.Response(302, headers={"Location": location})
    ]
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await http.post("/build", json=JOB)
        await trio.sleep(5)
        assert stage.server.count("/login") == stage.server.count("/") == 0
        await stage.server.wait_result()
