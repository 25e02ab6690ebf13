"""The JSON API: right input does what it says, wrong input gets a 4xx and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from ci.model import AgentState, Reason, Status
from tests.fakes.core import FakeCore

FIELDS = {
    "number", "repository", "commit", "commit_hash", "subject", "author", "branch", "command",
    "status", "reason", "message", "created_at", "started_at", "finished_at", "duration_s",
    "agent", "exit_code", "log_size", "attempts", "queue_position", "waiting_for", "starts_in_s",
}  # fmt: skip
ATTEMPT_FIELDS = {"id", "agent", "status", "reason", "started_at", "finished_at", "exit_code"}
GOOD = {"commit": "main", "command": "make test"}


async def post(client: httpx.AsyncClient, body: Any) -> httpx.Response:
    """Ask for a build."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post("/api/builds", content=content)


async def test_a_build_is_accepted(client: httpx.AsyncClient) -> None:
    """201, its address, and every field, absent ones as null."""
    answer = await post(client, {**GOOD, "priority": 3})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/builds/1"
    build = answer.json()
    assert set(build) >= FIELDS
    assert (build["number"], build["status"], build["priority"]) == (1, "waiting", 3)
    assert build["created_at"] == "2026-11-21T14:03:22.000Z"
    assert build["started_at"] is None
    assert build["attempts"] == []
    assert build["queue_position"] == 1
    assert build["waiting_for"]
    assert (await client.get("/api/builds/1")).json() == build


async def test_a_full_queue_says_when_to_ask_again(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """503 with Retry-After and a sentence; nothing is stored."""
    core.full = True
    answer = await post(client, GOOD)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "7 builds wait already" in answer.json()["error"]["message"]
    assert (await client.get("/api/builds")).json()["builds"] == []


async def test_an_ended_build_says_how(client: httpx.AsyncClient, core: FakeCore) -> None:
    """With its attempts."""
    await post(client, GOOD)
    id = core.start(1)
    core.print(id, b"abc")
    core.end(1, Status.FAILURE, Reason.EXITED, exit_code=2)
    build = (await client.get("/api/builds/1")).json()
    assert (build["status"], build["reason"], build["exit_code"]) == ("failure", "exited", 2)
    assert (build["log_size"], build["agent"], build["queue_position"]) == (3, "oak", None)
    assert set(build["attempts"][0]) >= ATTEMPT_FIELDS
    assert build["attempts"][0]["id"] == id


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"command": "x"}, "commit"),
        ({"commit": "main"}, "command"),
        ({**GOOD, "commit": 5}, "commit"),
        ({**GOOD, "commit": ["main"]}, "commit"),
        ({**GOOD, "commit": "--upload-pack=x"}, "commit"),
        ({**GOOD, "commit": "a b"}, "commit"),
        ({**GOOD, "commit": "../.."}, "commit"),
        ({**GOOD, "commit": "x" * 10_000}, "commit"),
        ({**GOOD, "command": "a\x00b"}, "command"),
        ({**GOOD, "repository": "elsewhere"}, "repository"),
        ({**GOOD, "repository": 1}, "repository"),
        ({**GOOD, "priority": "3"}, "priority"),
        ({**GOOD, "priority": True}, "priority"),
        ({**GOOD, "priority": 1.5}, "priority"),
        ({**GOOD, "priority": 2**70}, "priority"),
        ({**GOOD, "comand": "typo"}, "comand"),
        (b'{"commit":"main","command":"\\ud800"}', None),
        (b"", None),
        (b"not json", None),
        (b"[1]", None),
        (b"null", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
)
async def test_a_wrong_body_is_refused(
    client: httpx.AsyncClient, body: Any, field: str | None
) -> None:
    """422 that names the field; no build."""
    answer = await post(client, body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert answer.json()["error"]["message"]
    assert (await client.get("/api/builds")).json()["builds"] == []


async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    """413, said or found out."""
    big = json.dumps({**GOOD, "command": "x" * (1 << 20)}).encode()
    assert (await post(client, big)).status_code == 413

    async def pieces() -> Any:
        yield big

    answer = await client.post("/api/builds", content=pieces())
    assert answer.status_code == 413
    assert (await client.post("/api/builds", content=b"x" * (5 << 20))).status_code == 413


async def test_the_list_is_filtered_and_paged(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Newest first; `next` leads on until it is null."""
    for number in range(5):
        await post(client, {**GOOD, "commit": f"branch-{number}"})
    core.start(5)

    async def listed(query: str) -> tuple[list[int], int | None]:
        page = (await client.get(f"/api/builds?{query}")).json()
        return [build["number"] for build in page["builds"]], page["next"]

    assert await listed("") == ([5, 4, 3, 2, 1], None)
    assert await listed("limit=2") == ([5, 4], 4)
    assert await listed("limit=2&before=4") == ([3, 2], 2)
    assert await listed("limit=2&before=2") == ([1], None)
    assert await listed("status=running") == ([5], None)
    assert await listed("q=branch-3") == ([4], None)
    assert await listed("repository=nowhere") == ([], None)
    assert await listed("status=&q=&limit=&before=&after=&branch=") == ([5, 4, 3, 2, 1], None)
    assert await listed("agent=oak") == ([5], None)
    assert await listed("agent=elm") == ([], None)
    core.describe(2, branch="topic/1 ü")
    assert await listed("branch=topic/1+%C3%BC") == ([2], None)
    assert await listed("limit=2&after=2") == ([4, 3], 3)
    page = (await client.get("/api/builds?limit=2&before=4")).json()
    assert (page["newer"], page["looked_to"]) == (3, None)
    assert page["counts"]["waiting"] == 4
    core.looked_to = 77
    page = (await client.get("/api/builds?repository=nowhere")).json()
    assert (page["looked_to"], set(page["counts"].values())) == (77, {0})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=abc", "limit"), ("limit=0", "limit"), ("limit=-1", "limit"),
        ("limit=999999", "limit"), ("before=-1", "before"), ("before=1e3", "before"),
        ("before=" + "9" * 5000, "before"), ("status=fine", "status"), ("q=%00", "q"),
        ("repository=%00", "repository"), ("branch=%00", "branch"), ("agent=%00", "agent"),
        ("after=x", "after"), ("before=9&after=1", "after"), ("q=" + "x" * 5000, "q"),
        ("before=%EF%BC%91", "before"),
    ],
)  # fmt: skip
async def test_a_wrong_query_is_refused(client: httpx.AsyncClient, query: str, field: str) -> None:
    """422 that names the parameter, for the page as for the API."""
    answer = await client.get(f"/api/builds?{query}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert (await client.get(f"/?{query}")).status_code == 422


@pytest.mark.parametrize(
    "number", ["0", "7", "-1", "x", "1.5", "9" * 19, str(2**63), "9" * 5000, "%00", "\u0661"]
)
@pytest.mark.parametrize("rest", ["", "/log", "/cancel", "/front", "/rerun"])
async def test_an_unknown_build_is_not_found(
    client: httpx.AsyncClient, number: str, rest: str
) -> None:
    """404 in JSON, whatever stands there."""
    path = f"/api/builds/{number}{rest}"
    method = "POST" if rest in ("/cancel", "/front", "/rerun") else "GET"
    answer = await client.request(method, path)
    assert answer.status_code == 404
    assert set(answer.json()["error"]) == {"field", "message"}


async def test_cancel_and_rerun(client: httpx.AsyncClient) -> None:
    """Cancel answers with the canceled build, a second one with 409; rerun makes a new one."""
    await post(client, GOOD)
    answer = await client.post("/api/builds/1/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert (await client.post("/api/builds/1/cancel")).status_code == 409
    answer = await client.post("/api/builds/1/rerun")
    assert (answer.status_code, answer.json()["number"]) == (201, 2)
    assert (await client.post("/api/builds/1/rerun?exact=2")).status_code == 422


@pytest.mark.parametrize(
    ("range_header", "status", "body", "content_range"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=3-5", 206, b"345", "bytes 3-5/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-4", 206, b"6789", "bytes 6-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-3", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=" + "9" * 5000 + "-", 416, b"", "bytes */10"),
        ("bytes=" + "9" * 19 + "-", 416, b"", "bytes */10"),
        ("bytes=" + "0" * 5000 + "8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-" + "9" * 5000, 206, b"89", "bytes 8-9/10"),
        ("bytes=-" + "9" * 5000, 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=-", 200, b"0123456789", None),
    ],
)
@pytest.mark.parametrize("path", ["/api/builds/1/log", "/build/1/log"])
async def test_a_log_is_sent_whole_or_in_ranges(
    client: httpx.AsyncClient,
    core: FakeCore,
    path: str,
    range_header: str | None,
    status: int,
    body: bytes,
    content_range: str | None,
) -> None:
    """Raw bytes, also while it grows; what is no range means the whole."""
    await post(client, GOOD)
    core.print(core.start(1), b"0123456789")
    headers = {} if range_header is None else {"Range": range_header}
    answer = await client.get(path, headers=headers)
    assert (answer.status_code, answer.content) == (status, body)
    assert answer.headers.get("Content-Range") == content_range
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Length"] == str(len(body))


async def test_a_log_in_several_pieces_is_complete(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Larger than one piece, and bytes that are no text."""
    await post(client, GOOD)
    data = bytes(range(256)) * 4000
    core.print(core.start(1), data)
    assert (await client.get("/api/builds/1/log")).content == data
    assert (await client.get("/api/builds/1/log?attempt=1.1.1")).content == data
    assert (await client.get("/api/builds/1/log?attempt=1.1.2")).status_code == 404
    head = await client.head("/api/builds/1/log")
    assert (head.content, head.headers["Content-Length"]) == (b"", str(len(data)))


async def test_a_log_before_the_first_attempt_is_empty(client: httpx.AsyncClient) -> None:
    """Not an error: there may be one soon."""
    await post(client, GOOD)
    answer = await client.get("/api/builds/1/log")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_agents_are_listed(client: httpx.AsyncClient, core: FakeCore) -> None:
    """With what they run."""
    core.add_agent("oak", labels=("linux",))
    await post(client, GOOD)
    core.start(1)
    [agent] = (await client.get("/api/agents")).json()["agents"]
    assert (agent["name"], agent["state"], agent["slots"]) == ("oak", "online", 2)
    assert agent["running"] == [{"id": "1.1.1", "build": 1}]


async def test_health(client: httpx.AsyncClient, core: FakeCore) -> None:
    """200 only when builds can be taken and run."""
    assert (await client.get("/healthz")).status_code == 200
    core.healthy = False
    answer = await client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the disk is full"]


async def test_half_a_character_in_a_name_is_no_failure(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Git histories hold such names; UTF-8 can't spell them."""
    await post(client, GOOD)
    core.describe(1, author="bad \udce9 name")
    assert (await client.get("/api/builds/1")).json()["author"] == "bad ? name"


async def test_a_lost_agent_is_forgotten(client: httpx.AsyncClient, core: FakeCore) -> None:
    """The answer is the list without it; one that answers is a conflict."""
    core.add_agent("oak")
    core.add_agent("elm", state=AgentState.LOST)
    answer = await client.post("/api/agents/elm/forget")
    assert answer.status_code == 200
    assert [agent["name"] for agent in answer.json()["agents"]] == ["oak"]
    assert (await client.post("/api/agents/oak/forget")).status_code == 409
    assert (await client.post("/api/agents/elm/forget")).status_code == 404


async def test_an_agent_is_revoked_and_let_in_again(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The answer is the list, which says how it stands."""
    core.add_agent("oak")
    for word, standing in (("revoke", "revoked"), ("readmit", "open")):
        for answer in (
            await client.post(f"/api/agents/oak/{word}"),
            await client.post(f"/api/agents/{word}", json={"name": "oak"}),
        ):
            assert answer.status_code == 200
            assert [agent["standing"] for agent in answer.json()["agents"]] == [standing]
        assert (await client.post(f"/api/agents/elm/{word}")).status_code == 404


async def test_metrics_are_text(client: httpx.AsyncClient) -> None:
    """In the oldest form that every collector reads, never from a cache."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "private, no-cache"
