"""The server dies right before and right after each step with the storage: all is done once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from ci.model import Status
from tests.story.external.stand import SETTINGS, open_stand
from tests.story.world import World

STEPS: Final = ("Inbox.take", "Inbox.starting", "Inbox.started", "Store.end", "Inbox.close")
CALLS: Final = ("conf", "build/list", "build/start", "build/finish")
AWAY_S: Final = 5.0


async def _expect_once(world: World, folder: Path, dies: str) -> None:
    async with open_stand(world, folder) as stand:
        ids = [stand.request(), stand.request()]
        await world.start_agent()
        await world.start_server(**SETTINGS)
        if " /" in dies:
            world.network.on_the_way[dies] = world.server_life.die
        else:
            world.server_life.dies_at = dies
        await world.server_life.wait_over()
        await trio.sleep(AWAY_S)
        await world.start_server(**SETTINGS)
        assert await stand.wait_over(*ids, limit_s=600) == ["Success"] * 2
        assert await stand.wait_told(*ids) == ["", ""]
        assert set(stand.done.values()) == {1}
        assert [stand.storage.log(id) for id in ids] == ["one\ntwo\n"] * 2
        assert (await world.server.counts())[Status.SUCCESS] == 2


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_the_server_dies_at_a_step(
    world: World, autojump_clock: MockClock, tmp_path: Path, when: str, step: str
) -> None:
    """Of its store."""
    await _expect_once(world, tmp_path, f"{when} {step}")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
async def test_the_server_dies_at_a_call(
    world: World, autojump_clock: MockClock, tmp_path: Path, when: str, call: str
) -> None:
    """To the storage."""
    await _expect_once(world, tmp_path, f"{when} /api/{call}")
