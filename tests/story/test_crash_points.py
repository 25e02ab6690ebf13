"""Each durable step, and a death right before it and right after it: the promise is kept.

One build of three seconds, whose command prints and says no. Whoever dies is back after five
seconds, which is within the grace time. Whatever the moment was, the build ends once, with the
verdict of its command and the whole log, and nothing of it is left on the agent.
"""

from __future__ import annotations

from typing import Final

import pytest
import trio
from trio.testing import MockClock

from ci.errors import StoreFailed
from ci.model import AgentState, Reason, Status
from tests.story.world import World

COMMAND: Final = "echo one; sleep 3; echo two; exit 3"
AWAY_S: Final = 5.0
ONCE: Final = [Reason.EXITED]
LEASED_TO_NOBODY: Final = [Reason.AGENT_RESTARTED, Reason.EXITED]  # its agent has never heard of it

# The step → what has become of the build's attempts when it dies right before it, and right after.
SERVER_STEPS: Final = {
    "Store.accept": (ONCE, ONCE),
    "Store.lease": (ONCE, LEASED_TO_NOBODY),
    "_append": (ONCE, ONCE),  # a piece of the log
    "_seal": (ONCE, ONCE),  # the end of the log
    "Store.end": (ONCE, ONCE),
}
AGENT_STEPS: Final = {
    "Folder.create": (LEASED_TO_NOBODY, ONCE),  # the job file
    "Folder.save_commit": (ONCE, ONCE),
    "FakeRunner._begin": (ONCE, ONCE),  # the start of the command
    "Folder.save_outcome": (ONCE, ONCE),  # the result file
    "Attempt._remove_workspace": (ONCE, ONCE),  # the workspace
    "Folder.remove": (ONCE, ONCE),  # the attempt's folder
}
SERVERS_REQUESTS: Final = {"/build": (LEASED_TO_NOBODY, ONCE)}
AGENTS_REQUESTS: Final = {"/notify_build_log": (ONCE, ONCE), "/notify_build_result": (ONCE, ONCE)}


def both(steps: dict[str, tuple[list[Reason], list[Reason]]]) -> list[tuple[str, list[Reason]]]:
    """Make each step's two moments of it."""
    return [
        (f"{when} {name}", tries)
        for name, ends in steps.items()
        for when, tries in zip(("before", "after"), ends, strict=True)
    ]


async def ask(world: World) -> int:
    """Ask for the build, again and again until the server says that it has it."""
    while True:
        try:
            return await world.submit(COMMAND)
        except StoreFailed:
            await trio.sleep(1)


async def revive_server(world: World) -> None:
    """Wait for the death of the server, and start it again."""
    await world.server_life.wait_over()
    await trio.sleep(AWAY_S)
    await world.start_server()


async def revive_agent(world: World) -> None:
    """Wait for the death of the agent, and start it again."""
    await world.agent_life().wait_over()
    await trio.sleep(AWAY_S)
    await world.start_agent()


async def expect_the_promise(world: World, number: int, tries: list[Reason]) -> None:
    """One verdict, that of the command; its whole log; nothing left; the slot is free."""
    view = await world.wait_build(number)
    assert (view.build.status, view.build.exit_code) == (Status.FAILURE, 3)
    assert [attempt.reason for attempt in view.attempts] == tries
    assert await world.log(number) == b"one\ntwo\n"
    assert len(world.machine().started) == number, "each of those that were asked, once"
    after = await world.wait_build(await world.submit("echo next"), limit_s=60)
    assert after.build.status is Status.SUCCESS
    await trio.sleep(1)
    folder = world.folder / "agent-8081"
    assert [*(folder / "spool").iterdir(), *(folder / "work").iterdir()] == []
    again = await world.server.build(number)
    assert (again.build, again.attempts) == (view.build, view.attempts)


@pytest.mark.parametrize(("moment", "tries"), both(SERVER_STEPS))
async def test_the_server_dies(
    world: World, autojump_clock: MockClock, moment: str, tries: list[Reason]
) -> None:
    """What was answered is there, and goes on; what was not may be asked again."""
    await world.start_server()
    await world.start_agent()
    await world.wait_state(AgentState.ONLINE)
    await trio.sleep(1)
    world.server_life.dies_at = moment
    async with trio.open_nursery() as nursery:
        nursery.start_soon(revive_server, world)
        number = await ask(world)
    await expect_the_promise(world, number, tries)


@pytest.mark.parametrize(("moment", "tries"), both(AGENT_STEPS))
async def test_the_agent_dies(
    world: World, autojump_clock: MockClock, moment: str, tries: list[Reason]
) -> None:
    """Its next life goes on where this one has stopped."""
    await world.start_server()
    await world.start_agent()
    await world.wait_state(AgentState.ONLINE)
    world.agent_life().dies_at = moment
    number = await world.submit(COMMAND)
    await revive_agent(world)
    await expect_the_promise(world, number, tries)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_agent_dies_when_the_exit_code_is_written(
    world: World, autojump_clock: MockClock, when: str
) -> None:
    """The command's supervisor, which is no part of the agent, writes it without the agent."""
    await world.start_server()
    await world.start_agent()
    await world.wait_state(AgentState.ONLINE)
    world.machine().at_exit[when] = world.agent_life().die
    number = await world.submit(COMMAND)
    await revive_agent(world)
    await expect_the_promise(world, number, ONCE)


@pytest.mark.parametrize(("moment", "tries"), both(SERVERS_REQUESTS))
async def test_the_server_dies_around_a_request_of_its_own(
    world: World, autojump_clock: MockClock, moment: str, tries: list[Reason]
) -> None:
    """Whether the agent has it is found out by asking the agent."""
    await die_on_the_way(world, "server", moment, tries)


@pytest.mark.parametrize("who", ["server", "agent"])
@pytest.mark.parametrize(("moment", "tries"), both(AGENTS_REQUESTS))
async def test_somebody_dies_around_a_delivery(
    world: World, autojump_clock: MockClock, who: str, moment: str, tries: list[Reason]
) -> None:
    """Before it has arrived nothing has happened; if its answer is lost, it comes again."""
    await die_on_the_way(world, who, moment, tries)


async def die_on_the_way(world: World, who: str, moment: str, tries: list[Reason]) -> None:
    """Let one of them die before a request arrives, or after it was answered."""
    await world.start_server()
    await world.start_agent()
    await world.wait_state(AgentState.ONLINE)
    await trio.sleep(1)
    life = world.server_life if who == "server" else world.agent_life()
    world.network.on_the_way[moment] = life.die
    number = await world.submit(COMMAND)
    await (revive_server(world) if who == "server" else revive_agent(world))
    await expect_the_promise(world, number, tries)
