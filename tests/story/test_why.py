"""Stories of red builds: each is compared with the last green one that did the same."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from ci.errors import NotFound
from ci.model import Reason, Status
from ci.server.views import WhyRed
from tests.fakes.agent import FakeAgent
from tests.story.world import World

GREEN = "fetching 3 files\n12 tests passed in 1.5 s\n"
RED = "fetching 14 files\nerror: 2 is not 3\n"


class Agent:
    """Ends builds as a test wants it, one after the other."""

    def __init__(self, world: World, agent: FakeAgent) -> None:
        self._world = world
        self._agent = agent

    async def build(
        self, log: str, exit_code: int | None = 0, *, branch: str = "main", command: str = "make"
    ) -> int:
        """Ask for a build, and end it; its number."""
        number = await self._world.submit(command)
        await self._world.wait_count(self._agent.taken, number)
        more: dict[str, Any] = {} if exit_code is not None else {"reason": "timeout"}
        commit = {"commit_hash": f"{number:040x}", "branch": branch}
        id = self._agent.taken[-1]
        answer = await self._agent.finish(id, exit_code=exit_code, log=log, **commit, **more)
        assert answer.status_code == 200
        return number


async def start(world: World) -> Agent:
    """Start a server with an agent."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    return Agent(world, agent)


def texts(why: WhyRed) -> list[bytes]:
    """The lines that are new."""
    assert why.found is not None
    return [line.text for run in why.found.news.runs for line in run if line.is_new]


async def test_it_is_compared_with_the_last_green_build_of_its_branch_and_command(
    world: World, autojump_clock: MockClock
) -> None:
    """Not with another branch's, another command's, a red one, or one that came later."""
    agent = await start(world)
    green = await agent.build(GREEN)
    await agent.build(RED, branch="topic")
    await agent.build(RED, command="make all")
    await agent.build(RED, 1)
    red = await agent.build(RED, 1)
    await agent.build(RED)
    why = await world.server.why_red(red)
    assert why.green is not None
    assert (why.green.build.number, why.same_branch, why.problem) == (green, True, "")
    assert texts(why) == [b"error: 2 is not 3"]
    assert why.found is not None
    assert [line.text for line in why.found.missing] == [b"12 tests passed in 1.5 s"]


async def test_where_a_branch_was_never_green_another_one_is_taken(
    world: World, autojump_clock: MockClock
) -> None:
    """The last one that did the same; its branch is told."""
    agent = await start(world)
    await agent.build(GREEN, branch="old")
    green = await agent.build(GREEN, branch="main")
    why = await world.server.why_red(await agent.build(RED, 1, branch="topic"))
    assert why.green is not None
    assert (why.green.build.number, why.same_branch) == (green, False)
    assert texts(why) == [b"error: 2 is not 3"]


async def test_a_build_that_was_ended_by_its_limit_tells_what_did_not_come(
    world: World, autojump_clock: MockClock
) -> None:
    """Its log has nothing new; what the green one printed next is where it hung."""
    agent = await start(world)
    await agent.build("one\ntwo\nthree\n")
    why = await world.server.why_red(await agent.build("one\ntwo\n", None))
    assert why.view.build.reason is Reason.TIMEOUT
    assert why.found is not None
    assert why.found.news.new == 0
    assert [(line.number, line.text) for line in why.found.missing] == [(3, b"three")]


async def test_what_can_not_be_told_is_said(world: World, autojump_clock: MockClock) -> None:
    """In a sentence: why there is no comparison."""
    agent = await start(world)

    async def problem(number: int) -> str:
        why = await world.server.why_red(number)
        assert why.found is None
        return why.problem

    lonely = await agent.build(RED, 1)
    assert "No earlier build" in await problem(lonely)
    green = await agent.build(GREEN)
    assert await problem(green) == "It is green."
    assert "printed nothing" in await problem(await agent.build("", 1))
    red = await agent.build(RED, 1)
    log = world.folder / "server" / "logs" / "000000" / f"{green}.1.1.log"
    log.unlink()
    words = f"The last green build like it, #{green}, has no log any more."
    assert await problem(red) == words
    waiting = await world.submit("make")
    await world.wait_build(waiting, Status.RUNNING)
    assert await problem(waiting) == "It still runs."
    await world.server.cancel(waiting)
    assert "canceled" in await problem(waiting)
    with pytest.raises(NotFound):
        await world.server.why_red(99)
