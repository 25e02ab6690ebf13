"""Each durable step of a cancel, and a death right before it and right after it.

The command minds no SIGTERM and prints while it is ended. Whoever dies is back within the grace
time. Whatever the moment was, the build is canceled, and all that was printed is in its log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from ci.errors import Conflict, StoreFailed
from ci.model import AgentState, Reason, Status
from tests.story.test_crash_points import revive_agent, revive_server
from tests.story.world import World

COMMAND: Final = "trap '' TERM; echo one; sleep 3; echo two; sleep 2; echo three; sleep 1000"
RUNS_S: Final = 2.0  # before it is canceled
ASKED_AGAIN_S: Final = 1.0

SERVER_STEPS: Final = ("Store.cancel", "_append", "_seal", "Store.end")
AGENT_STEPS: Final = (
    "Folder.save_stop",  # why it is ended
    "Folder.save_outcome",
    "Attempt._remove_workspace",  # the workspace
    "Folder.remove",
)
REQUESTS: Final = ("/cancel", "/notify_build_log", "/notify_build_result")


def both(steps: tuple[str, ...]) -> list[str]:
    """Make each step's two moments of it."""
    return [f"{when} {name}" for name in steps for when in ("before", "after")]


async def cancel(world: World) -> None:
    """Ask for it until the server says that it is so."""
    while True:
        with trio.move_on_after(ASKED_AGAIN_S):
            try:
                await world.server.cancel(1)
            except Conflict:
                return  # the first answer was lost
            except StoreFailed:
                await trio.sleep_forever()  # that server is dead
            return


async def cancel_while_one_dies(
    world: World, revive: Callable[[World], Awaitable[None]], prepare: Callable[[], None]
) -> None:
    """Let a command run, and be canceled after `prepare` has said when who dies."""
    await world.start_server()
    await world.start_agent()
    await world.wait_state(AgentState.ONLINE)
    await world.submit(COMMAND)
    await world.wait_build(1, Status.RUNNING)
    await trio.sleep(RUNS_S)
    prepare()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(revive, world)
        await cancel(world)
    await expect_the_promise(world)


async def expect_the_promise(world: World) -> None:
    """Canceled, with the whole log; nothing left; the slot is free."""
    after = await world.wait_build(await world.submit("echo next"), limit_s=60)
    assert after.build.status is Status.SUCCESS
    await trio.sleep(5)
    view = await world.server.build(1)
    assert (view.build.status, view.build.reason) == (Status.CANCELED, Reason.CANCELED)
    (attempt,) = view.attempts
    assert (attempt.status, attempt.log_size, attempt.log_open) == (Status.CANCELED, 14, False)
    assert await world.log(1) == b"one\ntwo\nthree\n"
    assert len(world.machine().started) == 2
    folder = world.folder / "agent-8081"
    assert [*(folder / "spool").iterdir(), *(folder / "work").iterdir()] == []


@pytest.mark.parametrize("moment", both(SERVER_STEPS))
async def test_the_server_dies(world: World, autojump_clock: MockClock, moment: str) -> None:
    """A cancel that was answered holds; the end of the log comes to its next life."""
    await cancel_while_one_dies(
        world, revive_server, lambda: setattr(world.server_life, "dies_at", moment)
    )


@pytest.mark.parametrize("moment", both(AGENT_STEPS))
async def test_the_agent_dies(world: World, autojump_clock: MockClock, moment: str) -> None:
    """Its next life ends the command, and delivers what is on its disk."""
    await cancel_while_one_dies(
        world, revive_agent, lambda: setattr(world.agent_life(), "dies_at", moment)
    )


@pytest.mark.parametrize("who", ["server", "agent"])
@pytest.mark.parametrize("moment", both(REQUESTS))
async def test_somebody_dies_around_a_request(
    world: World, autojump_clock: MockClock, who: str, moment: str
) -> None:
    """Before it has arrived nothing has happened; if its answer is lost, it comes again."""

    def prepare() -> None:
        life = world.server_life if who == "server" else world.agent_life()
        world.network.on_the_way[moment] = life.die

    await cancel_while_one_dies(world, revive_server if who == "server" else revive_agent, prepare)
