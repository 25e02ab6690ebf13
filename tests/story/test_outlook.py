"""What is seen ahead is made rarely enough, however many builds come and however many look."""

from __future__ import annotations

from typing import Final

import trio
from trio.testing import MockClock

from ci.server.outlook import Sight
from ci.server.unhurried import STEP_S
from tests.story.world import World

HASTE_S: Final = 5.0
PAUSE_S: Final = 0.05  # between two builds, and two looks


def _different(sights: list[Sight]) -> int:
    """How many of them were made; those that are kept here are not made into another one."""
    return len({id(sight) for sight in sights})


async def test_it_is_made_twice_a_second_while_builds_come(
    world: World, autojump_clock: MockClock
) -> None:
    """And is of today as soon as they have come."""
    await world.start_server()
    outlook = world.server._outlook
    sights = []
    for _ in range(round(HASTE_S / PAUSE_S)):
        await world.submit()
        sights.append(await outlook.look())
        await trio.sleep(PAUSE_S)
    assert 5 <= _different(sights) <= HASTE_S / STEP_S + 1
    await trio.sleep(STEP_S)
    assert len((await outlook.look()).starts_s) == len(sights)


async def test_all_who_look_at_once_share_one(world: World, autojump_clock: MockClock) -> None:
    """Whoever comes while it is made waits for it."""
    await world.start_server()
    await world.submit()
    sights: list[Sight] = []

    async def look() -> None:
        sights.append(await world.server._outlook.look())

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(look)
    assert _different(sights) == 1
