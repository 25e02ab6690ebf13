"""The client and a server that goes away, and loses answers: nothing is asked for twice."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from ci.answers.builds import Build
from ci.client import AnswerLost, ApiRefused, Client, LogPiece, open_client
from ci.errors import Unreachable
from ci.model import Status
from ci.server.views import BuildFilter
from tests.story.world import SERVER, World

WANTED: Any = {"commit": "main", "command": "true"}


@asynccontextmanager
async def client_of(world: World) -> AsyncIterator[Client]:
    """Open a client in that world."""

    def dial(url: str, _: ssl.SSLContext) -> httpx.AsyncClient:
        return world.network.client(url)

    async with open_client(f"http://{SERVER}", dial=dial) as client:
        yield client


async def numbers(world: World) -> list[int]:
    """Name the builds that there are."""
    return [build.number for build in (await world.server.builds(BuildFilter())).builds]


async def test_a_lost_answer_makes_no_second_build(world: World, autojump_clock: object) -> None:
    """The build is found in the list, also when another like it was there before."""
    await world.start_server()
    async with client_of(world) as client:
        await client.submit(**WANTED)
        world.network.on_the_way["after /api/builds"] = partial(
            world.network.lose_answers.update, {"/api/builds": 1}
        )
        build = await client.submit(**WANTED)
        assert build.number == 2
        assert await numbers(world) == [2, 1]


async def test_a_request_that_was_lost_is_not_repeated(
    world: World, autojump_clock: object
) -> None:
    """The server died before it had it: whoever asked has to decide, and is told so."""
    await world.start_server()
    async with client_of(world) as client:
        await client.submit(**WANTED)

        def cut() -> None:
            world.network.cut.add(SERVER)
            world.nursery.start_soon(restore)

        async def restore() -> None:
            await trio.sleep(70)
            world.network.cut.clear()

        world.network.on_the_way["after /api/builds"] = cut
        with pytest.raises(AnswerLost, match="no such build is in the server's list"):
            await client.submit(**WANTED)
        assert await numbers(world) == [1]


@pytest.mark.parametrize("repository", ["b", "https://example.org/b.git"])
async def test_the_same_of_another_repository_is_not_taken_for_ours(
    world: World, autojump_clock: object, repository: str
) -> None:
    """Somebody asked for it while ours was lost on its way."""
    both = {"a": "https://example.org/a.git", "b": "https://example.org/b.git"}
    await world.start_server(repository=None, repositories=both)
    async with client_of(world) as client:

        def cut() -> None:
            world.network.cut.add(SERVER)
            world.nursery.start_soon(restore)

        async def restore() -> None:
            await trio.sleep(10)
            world.network.cut.clear()
            await client.submit(**WANTED, repository="a")

        world.network.on_the_way["after /api/builds"] = cut
        with pytest.raises(AnswerLost):
            await client.submit(**WANTED, repository=repository)
        assert await numbers(world) == [1]


async def test_an_attempt_that_is_not_there_is_told_apart(
    world: World, autojump_clock: object
) -> None:
    """From a build that is not there: who follows the build goes on with its next attempt."""
    await world.start_server()
    async with client_of(world) as client:
        number = (await client.submit(**WANTED)).number
        with pytest.raises(ApiRefused) as caught:
            await client.read_log(number, f"{number}.9.9", 0)
    assert (caught.value.status, caught.value.field) == (404, "attempt")


async def test_a_server_that_is_away_is_told_at_once(world: World, autojump_clock: object) -> None:
    """Nothing was sent, so nobody has to look."""
    async with client_of(world) as client:
        with pytest.raises(Unreachable):
            await client.submit(**WANTED)


async def test_following_goes_on_over_a_restart(world: World, autojump_clock: object) -> None:
    """Each byte of the log once, and the verdict; who follows is told of the outage."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    told: list[Unreachable | ApiRefused | None] = []
    log, ends = b"", []
    async with client_of(world) as client:
        number = (await client.submit(**WANTED)).number
        await world.wait_count(agent.taken)
        await agent.log("1.1.1", 0, b"one\n")

        async def story() -> None:
            await trio.sleep(5)
            await world.kill_server()
            await trio.sleep(20)
            await world.start_server()
            await agent.log("1.1.1", 4, b"two\n")
            await agent.finish("1.1.1", log_size=8)

        world.nursery.start_soon(story)
        async for news in client.follow(number, told.append):
            if isinstance(news, LogPiece):
                assert news.offset == len(log)
                log += news.data
            elif isinstance(news, Build) and news.status.ended:
                ends.append(news.status)
    assert log == b"one\ntwo\n"
    assert ends == [Status.SUCCESS]
    assert told


@pytest.mark.parametrize("repository", [None, "https://git.example.org/x"])
async def test_a_server_without_repositories_says_so(
    world: World, autojump_clock: object, repository: str | None
) -> None:
    """One that builds what a storage asks for alone: no name that one could say would help."""
    await world.start_server(repository=None)
    async with client_of(world) as client:
        with pytest.raises(ApiRefused, match="this server has none; its settings") as caught:
            await client.submit(**WANTED, repository=repository)
    assert (caught.value.status, caught.value.field) == (422, "repository")
