"""A disk that hangs: what only looks, or can be asked for again, does not pile up behind it."""

from __future__ import annotations

import httpx
import pytest
import trio
from trio.testing import MockClock

from ci.errors import Busy
from ci.model import BuildRequest
from ci.server.store.writer import MAX_ORDERS
from tests.story.world import World

REQUEST = BuildRequest("demo", "/srv/git/demo", "main", "true")


async def _health(world: World) -> httpx.Response:
    async with world.network.client("http://server:8080") as http:
        return await http.get("/healthz")


async def test_a_health_check_that_was_given_up_leaves_nothing_behind(
    world: World, autojump_clock: MockClock
) -> None:
    """However many have asked while the disk hung, it has not to write for them afterwards."""
    await world.start_server()
    world.server_life.slow = {"Store.check_writable": 100}
    for _ in range(10):
        assert "did not write within 5 s" in (await _health(world)).json()["problems"][0]
    assert world.server._store._writer._waiting == []
    await trio.sleep(100)
    world.server_life.slow = {}
    assert (await _health(world)).status_code == 200


async def test_behind_too_many_changes_people_are_told_to_come_again(
    world: World, autojump_clock: MockClock
) -> None:
    """At once; a health check too, which is not well then."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    await oak.register()
    world.server_life.slow = {"Store.accept": 100}
    async with trio.open_nursery() as asking:
        for _ in range(MAX_ORDERS):
            asking.start_soon(world.server._store.accept, REQUEST)
        await trio.sleep(1)
        for _ in range(MAX_ORDERS - len(world.server._store._writer._waiting)):
            asking.start_soon(world.server._store.accept, REQUEST)
        await trio.sleep(1)
        with trio.fail_after(1):
            with pytest.raises(Busy, match="can't keep up"):
                await world.server.set_paused("oak", True)
            assert "can't keep up" in (await _health(world)).json()["problems"][0]
        world.server_life.slow = {}
    assert (await _health(world)).status_code == 200
