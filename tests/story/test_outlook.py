"""What is seen ahead is made rarely enough, however many builds come and however many look."""

from __future__ import annotations

from typing import Final

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ci.model import Status
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


async def test_an_agent_takes_a_build_while_its_asker_is_told_of_it(
    world: World, autojump_clock: MockClock
) -> None:
    """He is told what has become of it; nothing looks for its place in the line any more."""
    await world.start_server()
    agent = world.agent()
    number = await world.submit()
    build = (await world.server.build(number)).build
    views = []

    async def ask() -> None:
        views.append(await world.server.view_of_new(build))

    async with trio.open_nursery() as nursery, world.server._outlook._making:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        await agent.register()
        await world.wait_count(agent.taken, 1, limit_s=10)
    (view,) = views
    assert view.build.status is not Status.WAITING
    assert view.queue_position is None
