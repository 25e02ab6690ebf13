"""Who follows a build's log is told of each piece, of the end, and waits at no cost in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import trio
from trio.testing import MockClock

from ci.model import AgentState
from ci.server.following import LOG_LOOKS, LOOK_AT_LOG_S
from ci.server.views import LogView
from tests.fakes.agent import FakeAgent
from tests.story.world import World


async def test_a_follower_hears_of_what_is_new(world: World, autojump_clock: MockClock) -> None:
    """Of the first attempt, of bytes, of the end; in vain he waits for some seconds."""
    server = await world.start_server()
    await world.agent().register()
    number = await world.submit()
    seen = await server.wait_log(number, LogView(None, 0, growing=True))
    assert seen.attempt == f"{number}.1.1"
    began = trio.current_time()
    assert await server.wait_log(number, seen) is seen
    assert trio.current_time() - began == LOG_LOOKS * LOOK_AT_LOG_S
    assert seen.attempt is not None
    await server.append_log(seen.attempt, 0, b"text\n")
    seen = await server.wait_log(number, seen)
    assert (seen.size, seen.growing) == (5, True)
    server.stopping.set()
    assert await server.wait_log(number, seen) is seen


@asynccontextmanager
async def followed(world: World) -> AsyncIterator[list[str]]:
    """Follow the first build as text within the block; the text is there after it."""
    heard: list[str] = []

    async def follow(client: httpx.AsyncClient) -> None:
        address = "http://server:8080/build/1.txt?color=0"
        heard.append((await client.get(address, timeout=None)).text)

    async with world.network.client() as client, trio.open_nursery() as nursery:
        nursery.start_soon(follow, client)
        yield heard


async def cancel_printing(world: World) -> FakeAgent:
    """Cancel a build that has printed a line; its agent has yet to bring the end."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    await world.submit()
    await world.wait_count(agent.taken)
    await agent.log("1.1.1", 0, b"one\n")
    await world.server.cancel(1)
    return agent


async def test_a_canceled_build_is_followed_until_its_log_has_come(
    world: World, autojump_clock: MockClock
) -> None:
    """A command that resists its end prints on; its agent may be slow."""
    agent = await cancel_printing(world)
    async with followed(world) as heard:
        await trio.sleep(60)
        await agent.log("1.1.1", 4, b"the end\n")
        assert (await agent.finish("1.1.1", log_size=12)).status_code == 200
    (text,) = heard
    assert "\none\n\nIt was canceled. The end of its log is on its way.\n\nthe end\n\nCan" in text
    assert "did not arrive" not in text


async def test_a_follower_hears_when_the_end_of_a_log_will_not_come(
    world: World, autojump_clock: MockClock
) -> None:
    """Its agent is lost, so the answer ends after the grace time."""
    agent = await cancel_printing(world)
    async with followed(world) as heard:
        agent.down()
        await world.wait_state(AgentState.LOST)
    assert "\n\nThe end of the log did not arrive.\nCanceled · Somebody canceled it." in heard[0]


async def test_a_follower_hears_of_an_end_in_the_line(
    world: World, autojump_clock: MockClock
) -> None:
    """There never was a log, and there will be none."""
    server = await world.start_server()
    await world.submit()
    async with followed(world) as heard:
        await trio.sleep(20)
        await server.cancel(1)
    assert heard[0].splitlines()[3:] == ["", "Canceled · Somebody canceled it."]
    assert await server.log(1) == LogView(None, 0, growing=False)
