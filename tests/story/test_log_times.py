"""When lines came is known of a real build, and forgotten with it."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.story.world import World


async def test_the_server_notes_when_pieces_come(world: World, autojump_clock: MockClock) -> None:
    """By its own clock, since it gave the attempt out."""
    server = await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_for(lambda: _running(world, number))
    id = f"{number}.1.1"
    began = (await server.build(number)).attempts[-1].started_at
    noted = []
    for piece in range(3):
        await trio.sleep(1.5)
        noted.append(round((world.now() - began).total_seconds() * 1000))
        await agent.log(id, 2 * piece, b"x\n")
    notes = await server.log_times(id)
    assert [offset for offset, _ in notes] == [0, 2, 4]
    assert all(abs(ms - said) < 100 for (_, ms), said in zip(notes, noted, strict=True))


async def _running(world: World, number: int) -> bool:
    return bool((await world.server.build(number)).attempts)
