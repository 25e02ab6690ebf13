"""Stories of red builds: each is compared with the last green one that did the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from trio.testing import MockClock

from ci.errors import NotFound, Rejected
from ci.model import Reason, Status
from ci.server.comparison import SHORT_BYTES
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
        self,
        log: str,
        exit_code: int | None = 0,
        *,
        branch: str = "main",
        command: str = "make",
        reason: str = "timeout",
    ) -> int:
        """Ask for a build, and end it; its number."""
        number = await self._world.submit(command)
        await self._world.wait_count(self._agent.taken, number)
        more: dict[str, Any] = {} if exit_code is not None else {"reason": reason}
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


async def headline(world: World, number: int) -> tuple[int, str] | str:
    """The line on top of a build's page."""
    view = await world.server.build(number)
    found = await world.server.headline(await world.server.compared_with(view))
    if found is None:
        return "not compared"
    return "nothing is new" if found.hit is None else (found.hit.line, found.hit.text)


def lose_log(world: World, number: int) -> None:
    """Remove a log, as somebody does who needs room."""
    (world.folder / "server" / "logs" / "000000" / f"{number}.1.1.log").unlink()


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


async def test_where_the_green_build_was_silent_all_lines_are_new(
    world: World, autojump_clock: MockClock
) -> None:
    """As tools are that print only what is wrong."""
    agent = await start(world)
    green = await agent.build("")
    why = await world.server.why_red(await agent.build("money.py: too long\n", 1))
    assert why.green is not None
    assert (why.green.build.number, texts(why)) == (green, [b"money.py: too long"])


async def test_where_the_red_build_was_silent_all_lines_are_missing(
    world: World, autojump_clock: MockClock
) -> None:
    """So one sees where it hung: before its first line."""
    agent = await start(world)
    await agent.build("one\ntwo\n")
    why = await world.server.why_red(await agent.build("", None))
    assert why.found is not None
    assert [line.text for line in why.found.missing] == [b"one", b"two"]


async def test_a_green_build_without_a_log_is_passed_over(
    world: World, autojump_clock: MockClock
) -> None:
    """The next older one that has its log is taken, and that it is not the last one is told."""
    agent = await start(world)
    older = await agent.build(GREEN)
    for _ in range(2):
        lose_log(world, await agent.build(GREEN))
    red = await agent.build(RED, 1)
    why = await world.server.why_red(red)
    assert why.green is not None
    assert (why.green.build.number, why.newest) == (older, False)
    assert await world.server.compared_with(why.view) == replace(why, found=None)


async def test_the_first_error_is_one_that_the_green_build_has_not(
    world: World, autojump_clock: MockClock
) -> None:
    """Of short logs: a page can wait for these. Of a traceback it is what was raised."""
    agent = await start(world)
    usual = "error: as usual\n"
    await agent.build(usual)
    trace = "Traceback (most recent call last):\n  in sum\nSumError: none\nerror: end\n"

    assert await headline(world, await agent.build(usual + RED, 1)) == (3, "error: 2 is not 3")
    red = usual + "\x1b[31mFAILED\x1b[0m it\n"
    assert await headline(world, await agent.build(red, 1)) == (2, "FAILED it")
    assert await headline(world, await agent.build(usual + trace, 1)) == (4, "SumError: none")


async def test_without_a_new_error_the_last_new_line_says_most(
    world: World, autojump_clock: MockClock
) -> None:
    """And never one that the green build printed as well, whatever it looks like."""
    agent = await start(world)
    usual = "error: as usual\n"
    await agent.build(usual + "bye\n")
    red = await agent.build(usual + "retry 1\nno host\nretry 2\nbye\n", 1)
    assert await headline(world, red) == (4, "retry 2")
    assert await headline(world, await agent.build(usual, 1)) == "nothing is new"


async def test_what_is_not_compared_at_once_has_no_new_line(
    world: World, autojump_clock: MockClock
) -> None:
    """Long logs, and a build that has nothing to be compared with."""
    agent = await start(world)
    await agent.build(GREEN)
    long = await agent.build("x\n" * SHORT_BYTES + RED, 1)
    assert await headline(world, long) == "not compared"
    assert await headline(world, await agent.build(RED, 1, command="true")) == "not compared"


@pytest.mark.parametrize("reason", ["checkout_failed", "command_refused"])
async def test_a_command_that_never_ran_is_compared_with_nothing(
    world: World, autojump_clock: MockClock, reason: str
) -> None:
    """What is in its log is git's, and new in any case."""
    agent = await start(world)
    await agent.build(GREEN)
    why = await world.server.why_red(await agent.build("fatal: no such ref\n", None, reason=reason))
    assert (why.found, why.green) == (None, None)
    assert "never ran" in why.problem


async def test_the_very_commit_is_built_again(world: World, autojump_clock: MockClock) -> None:
    """If that is known; else its branch is looked up, and nothing else is promised."""
    agent = await start(world)
    number = await agent.build(RED, 1)
    again = await world.server.rerun(number, exact=True)
    assert again.commit == f"{number:040x}"
    assert (await world.server.rerun(number)).commit == (
        await world.server.build(number)
    ).build.commit
    await world.server.cancel(again.number)
    waiting = await world.submit("make")
    with pytest.raises(Rejected, match="nobody knows which commit"):
        await world.server.rerun(waiting, exact=True)


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
    red = await agent.build(RED, 1)
    lose_log(world, green)
    words = f"The last green build like it has no log any more: #{green}."
    assert await problem(red) == words
    lose_log(world, red)
    assert await problem(red) == "It has no log any more."
    silent = await agent.build("", command="true")
    words = f"It has printed nothing, and nor had #{silent}."
    assert await problem(await agent.build("", 1, command="true")) == words
    waiting = await world.submit("make")
    await world.wait_build(waiting, Status.RUNNING)
    assert await problem(waiting) == "It still runs."
    await world.server.cancel(waiting)
    assert "canceled" in await problem(waiting)
    with pytest.raises(NotFound):
        await world.server.why_red(99)
