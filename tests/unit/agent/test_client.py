"""What the agent makes of a server that refuses, or can't be reached."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import structlog
import trio

from ci.agent.client import ServerClient
from ci.agent.secret import open_secret
from ci.errors import Unreachable
from tests.fakes.body import Body, packed
from tests.fakes.network import broken_client
from tests.fakes.stage import Stage, job

HTML = {"Content-Type": "text/html; charset=utf-8"}
SHORT = {"error": {"field": None, "message": "The server's disk is short: 1 MB free"}}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(503, json=SHORT), "answered 503: The server's disk is short: 1 MB free"),
        (httpx.Response(503, text="try\n later"), "answered 503: try later"),
        (httpx.Response(502, text="<h1>Bad Gateway</h1>", headers=HTML), "answered 502"),
        (httpx.Response(503, json={"error": "full"}), "answered 503: full"),
        (httpx.Response(503, json=["full"]), 'answered 503: ["full"]'),
    ],
)
@pytest.mark.parametrize("path", ["/notify_agent", "/notify_build_result"])
async def test_a_servers_own_words_are_in_the_log(
    stage: Stage, path: str, answer: httpx.Response, words: str
) -> None:
    """Whoever reads it need not look at the other end; the page of a proxy says nothing more."""
    stage.server.answers[path] = [answer]
    with structlog.testing.capture_logs() as said:
        async with stage.agent() as (_, http):
            await http.post("/build", json=job())
            await stage.server.wait_result()
            await trio.sleep(60)
    [line] = [line for line in said if line["event"] == "server unreachable"]
    assert line["error"] == words


async def test_a_refusal_is_told_in_words(stage: Stage) -> None:
    """Not in JSON."""
    body = {"error": {"field": "name", "message": "name: 'a' is taken"}}
    stage.server.answers["/notify_agent"] = [httpx.Response(409, json=body)]
    with structlog.testing.capture_logs() as said:
        async with stage.agent():
            await trio.sleep(61)
    [line] = [line for line in said if line["event"] == "refused"]
    assert line["answer"] == "answered 409: name: 'a' is taken"


@pytest.mark.parametrize("status", [409, 413, 500, 503])
@pytest.mark.parametrize("path", ["/notify_agent", "/notify_build_log", "/notify_build_result"])
async def test_an_answer_nested_without_end_ends_nothing(
    stage: Stage, path: str, status: int
) -> None:
    """It is one that can't be read; the agent asks again and delivers."""
    kind = {"Content-Type": "application/json"}
    stage.server.answers[path] = [httpx.Response(status, content=b"[" * 200_000, headers=kind)]
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo 1; sleep 5"))
        await stage.server.wait_result()
        await trio.sleep(61)
    assert not stage.server.answers[path]
    assert stage.server.registrations
    assert stage.server.logs["1.1.1"] == b"1\n"


async def test_without_a_thread_to_look_its_name_up_it_is_unreachable(tmp_path: Path) -> None:
    """A build that has taken all processes of the user ends no agent; a bug would."""
    secret = open_secret(tmp_path, "oak", None)
    client = ServerClient(broken_client("can't start new thread"), secret)
    with pytest.raises(Unreachable) as caught:
        await client.register({}, secret.badge)
    assert not caught.value.sent
    with pytest.raises(RuntimeError, match="a bug"):
        await ServerClient(broken_client("a bug"), secret).register({}, secret.badge)


async def test_a_server_that_packs_is_one_that_answers(stage: Stage) -> None:
    """What it packs is not unpacked: of a kilobyte that may become a gigabyte."""
    body = Body()
    stage.server.answers["/notify_agent"] = [packed(body)]
    async with stage.agent():
        await trio.sleep(1)
    assert not stage.server.answers["/notify_agent"]
    assert not body.taken
