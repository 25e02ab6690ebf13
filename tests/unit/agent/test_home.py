"""Registration: until it succeeds, and again when the server has forgotten us."""

from __future__ import annotations

import httpx
import pytest
import structlog
import trio

from tests.fakes.stage import Stage


async def test_it_says_who_it_is(stage: Stage) -> None:
    """All that a server needs, ours or another."""
    stage.settings |= {"name": "builder", "labels": ["linux", "big"], "port": 9001}
    async with stage.agent():
        await trio.sleep(1)
    [said] = stage.server.registrations
    assert said["host"] == said["hostname"] == "127.0.0.1"
    assert said["port"] == 9001
    assert said["name"] == "builder"
    assert said["slots"] == 2
    assert said["labels"] == ["linux", "big"]
    assert said["protocol"] == 1
    assert said["attempts"] == []
    assert said["available"] is True


async def test_home_id_stays_and_boot_id_changes(stage: Stage) -> None:
    """The server tells a restarted agent from another one of the same name."""
    for _ in range(2):
        async with stage.agent():
            await trio.sleep(1)
    first, second = stage.server.registrations
    assert first["home_id"] == second["home_id"]
    assert first["boot_id"] != second["boot_id"]


async def test_it_waits_for_a_server_that_comes_later(stage: Stage) -> None:
    """For ever, at most half a minute apart."""
    stage.server.down = True
    async with stage.agent():
        await trio.sleep(10_000)
        stage.server.down = False
        await trio.sleep(31)
        assert stage.server.registrations


async def test_unheard_for_three_heartbeats_it_registers_again(stage: Stage) -> None:
    """A server that lost its memory, or was replaced, gets to know us."""
    async with stage.agent() as (_, http):
        for _ in range(20):
            await trio.sleep(5)
            await http.get("/status")
        assert len(stage.server.registrations) == 1
        await trio.sleep(16)
        assert len(stage.server.registrations) == 2


@pytest.mark.parametrize("path", ["/health", "/", "/metrics", "/favicon.ico", "/build"])
async def test_a_monitor_is_not_the_server(stage: Stage, path: str) -> None:
    """However often others ask for a sign of life, a server that forgot us is told of us."""
    async with stage.agent() as (_, http):
        for _ in range(10):
            await trio.sleep(5)
            await http.get(path)
        assert len(stage.server.registrations) == 4


async def test_a_server_of_others_is_heard_by_any_sign(stage: Stage) -> None:
    """Some ask only for `/health`, and take a second registration for a second agent."""
    stage.server.foreign = True
    async with stage.agent() as (_, http):
        for _ in range(30):
            await trio.sleep(10)
            await http.get("/health")
        assert len(stage.server.registrations) == 1


async def test_a_refused_registration_is_tried_again_each_minute(stage: Stage) -> None:
    """A wrong token is mended by a person."""
    stage.server.answers["/notify_agent"] = [httpx.Response(401)] * 2
    async with stage.agent():
        await trio.sleep(119)
        assert len(stage.server.registrations) == 0
        await trio.sleep(2)
        assert len(stage.server.registrations) == 1


async def test_the_token_is_shown(stage: Stage) -> None:
    """And a server without it is not heard."""
    stage.settings["agentToken"] = "abc"
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        assert (await http.get("/status")).status_code == 401
        right = {"Authorization": "Bearer abc"}
        assert (await http.get("/status", headers=right)).status_code == 200


async def test_each_registration_that_is_news_is_told(stage: Stage) -> None:
    """The first one, and those after a silence: a server that was replaced, or has forgotten us."""
    with structlog.testing.capture_logs() as said:
        async with stage.agent() as (_, http):
            for _ in range(3):
                for _ in range(10):
                    await trio.sleep(5)
                    await http.get("/status")
                await trio.sleep(300)
    assert len(stage.server.registrations) > 20
    told = [line["again"] for line in said if line["event"] == "registered"]
    assert told == [False, True, True, True]


async def test_a_server_that_never_asks_is_told_of_once(stage: Stage) -> None:
    """It can't reach us; nor is a drain news to the reader of the log."""
    with structlog.testing.capture_logs() as said:
        async with stage.agent() as (agent, http):
            await trio.sleep(301)
            await http.get("/status")
            agent.drain()
            await trio.sleep(10)
    assert stage.server.registrations[-1]["draining"] is True
    assert [line["again"] for line in said if line["event"] == "registered"] == [False]
