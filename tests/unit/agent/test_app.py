"""What the agent answers to good and bad requests."""

from __future__ import annotations

import httpx
import pytest

from ci.agent.app import MAX_BODY
from tests.fakes.stage import Stage, job


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"not json", None),
        (b"[]", None),
        (b"{}", "id"),
        (httpx.Request("POST", "http://x", json=job("")).content, "id"),
        (httpx.Request("POST", "http://x", json=job(commit="--upload-pack=x")).content, "commit"),
        (httpx.Request("POST", "http://x", json=job(command="a\0b")).content, "command"),
        (httpx.Request("POST", "http://x", json=job(env={"A=B": "c"})).content, "env"),
        (httpx.Request("POST", "http://x", json=job(timeout_s=-1)).content, "timeout_s"),
    ],
)
async def test_a_wrong_job_is_refused_by_its_field(
    stage: Stage, body: bytes, field: str | None
) -> None:
    """422 with the name; nothing is started."""
    async with stage.agent() as (_, http):
        answer = await http.post("/build", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert stage.kept == []


async def test_every_spelling_of_a_job_is_taken(stage: Stage) -> None:
    """Servers that others wrote drive this agent."""
    body = {
        "buildId": 7,
        "repoUrl": "/srv/git/demo",
        "commitHash": "main",
        "buildCommand": "echo 1",
    }
    async with stage.agent() as (_, http):
        assert (await http.post("/build", json=body)).status_code == 202
        assert (await stage.server.wait_result())["id"] == 7


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/build", 405), ("POST", "/status", 405)],
)
async def test_errors_have_one_shape(stage: Stage, method: str, path: str, status: int) -> None:
    """JSON, also where the framework answers."""
    async with stage.agent() as (_, http):
        answer = await http.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"field", "message"}


async def test_a_large_body_is_refused(stage: Stage) -> None:
    """413, before it fills the memory."""
    async with stage.agent() as (_, http):
        answer = await http.post("/build", content=b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413
    assert "message" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/", "/ping", "/health", "/is-alive", "/build", "/status"])
async def test_every_health_path_says_how_it_is(stage: Stage, path: str) -> None:
    """Each program looks somewhere else."""
    async with stage.agent() as (_, http):
        answer = await http.get(path)
    assert answer.status_code == 200
    said = answer.json()
    assert said["slots"] == 2
    assert said["isBusy"] is False
    assert said["attempts"] == []
    assert said["disk_free"] > 0


@pytest.mark.parametrize("header", ["Origin", "sec-fetch-site"])
async def test_a_web_page_starts_nothing(stage: Stage, header: str) -> None:
    """A browser on this machine reaches this port, whatever page it shows."""
    async with stage.agent() as (_, http):
        answer = await http.post("/build", json=job(), headers={header: "cross-site"})
        looked = await http.get("/status", headers={header: "cross-site"})
    assert answer.status_code == looked.status_code == 403
    assert set(answer.json()["error"]) == {"field", "message"}
    assert stage.machine.started == []


@pytest.mark.parametrize("shown", [None, "Bearer wrong", "Basic abc", "Bearer äbc"])
async def test_a_wrong_token_starts_nothing(stage: Stage, shown: str | None) -> None:
    """`/build` runs commands: only the server may say which."""
    stage.settings["agentToken"] = "right"
    headers = {b"Authorization": shown.encode()} if shown else None
    async with stage.agent() as (_, http):
        answer = await http.post("/build", json=job(), headers=headers)
    assert answer.status_code == 401
    assert stage.machine.started == []


@pytest.mark.parametrize(("token", "status"), [(None, 421), ("t", 401)])
async def test_a_web_page_reads_nothing_by_a_name_of_its_own(
    stage: Stage, token: str | None, status: int
) -> None:
    """A name that suddenly leads to this machine: what a browser then asks looks as if it may."""
    if token is not None:
        stage.settings["agentToken"] = token
    async with stage.agent() as (_, http):
        answer = await http.get("/status", headers={"Host": "evil.example"})
    assert answer.status_code == status
    assert "evil" not in answer.text or "set host to it in agent-conf.json" in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
