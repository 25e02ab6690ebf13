"""Stories of commands that print more than a log may have."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from ci import blocking
from ci.model import Status
from ci.server.logsearch import END_LOOK_BYTES, END_LOOK_S, PAGE_LOOK_S
from ci.wire.result import LOG_MARK_ROOM
from tests.story.world import World

LIMIT = 64 << 10
LONG = b"".join(b"line %06d\n" % number for number in range(50_000))


async def test_head_and_tail_of_a_long_log_arrive(world: World, autojump_clock: MockClock) -> None:
    """While it runs the log says that its limit is reached; nothing else changes for the build."""
    await world.start_server(maxLogBytes=LIMIT)
    await world.start_agent()
    world.machine().first_output = LONG
    number = await world.submit("sleep 60; echo end; exit 3")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(10)
    head = await world.log(number)
    assert head.endswith(b"which come at the end]\n")
    cut = (await world.server.build(number)).attempts[0].log_cut
    assert cut == head.index(b"[nursery-ci: the output limit")
    view = await world.wait_build(number)
    assert (view.build.status, view.build.exit_code) == (Status.FAILURE, 3)
    log = await world.log(number)
    assert log.startswith(head)
    assert log.endswith(b"line 049999\nend\n")
    assert view.build.log_size == len(log) <= LIMIT + LOG_MARK_ROOM
    assert view.attempts[0].log_cut == cut


@pytest.mark.parametrize("printed", [LONG, b"x" * 50_000 + b"\n" + b"y" * 50_000, LONG[:66_000]])
async def test_a_quick_command_tells_where_its_log_is_cut(
    world: World, autojump_clock: MockClock, printed: bytes
) -> None:
    """Also when it has ended before any of its log was sent, and what is left is short."""
    await world.start_server(maxLogBytes=LIMIT)
    await world.start_agent()
    world.machine().first_output = printed
    number = await world.submit("true")
    view = await world.wait_build(number)
    log = await world.log(number)
    assert view.attempts[0].log_cut == log.index(b"[nursery-ci: the output limit")


async def test_a_command_that_prints_the_same_words_is_not_believed(
    world: World, autojump_clock: MockClock
) -> None:
    """Only the agent says where a log is cut; a log within the limit is not."""
    await world.start_server(maxLogBytes=LIMIT)
    await world.start_agent()
    world.machine().first_output = LONG[: LIMIT // 4 * 3]
    words = "[nursery-ci: the output limit of 64 KiB is reached: what follows is left out]"
    view = await world.wait_build(await world.submit(f"echo '{words}'"))
    assert view.attempts[0].log_cut is None


async def test_a_long_log_when_both_sides_die(world: World, autojump_clock: MockClock) -> None:
    """The same bytes as if nobody had."""
    await world.start_server(maxLogBytes=LIMIT)
    await world.start_agent()
    world.machine().first_output = LONG
    numbers = [await world.submit("sleep 20; echo end") for _ in range(2)]
    await world.wait_build(numbers[0])
    await world.wait_build(numbers[1], Status.RUNNING)
    await trio.sleep(2)
    await world.kill_server()
    await world.kill_agent()
    await world.start_server(maxLogBytes=LIMIT)
    await world.start_agent()
    view = await world.wait_build(numbers[1])
    assert (view.build.status, len(view.attempts)) == (Status.SUCCESS, 1)
    assert await world.log(numbers[1]) == await world.log(numbers[0])


async def test_a_limit_that_is_lowered_under_a_running_build(
    world: World, autojump_clock: MockClock
) -> None:
    """The server keeps to its limit, the build to its verdict, and a message says what is cut."""
    await world.start_server(maxLogBytes=4 * LIMIT)
    await world.start_agent()
    world.machine().first_output = LONG[: LIMIT // 2]
    number = await world.submit(f"sleep 20; echo '{LONG[:90_000].decode()}'; sleep 20; exit 3")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(2)
    await world.kill_server()
    await world.start_server(maxLogBytes=LIMIT)
    view = await world.wait_build(number)
    assert (view.build.status, view.build.exit_code) == (Status.FAILURE, 3)
    log = await world.log(number)
    assert log == LONG[: LIMIT // 2], "the piece that was too much was not taken"
    assert "no more than the first 32,768 bytes" in view.attempts[0].message


async def test_a_limit_that_is_raised_holds_for_the_next_build(
    world: World, autojump_clock: MockClock
) -> None:
    """One that runs keeps the limit it was given, in every life of its agent."""
    await world.start_server(maxLogBytes=LIMIT)
    await world.start_agent()
    world.machine().first_output = LONG
    numbers = [await world.submit("sleep 20") for _ in range(2)]
    await world.wait_build(numbers[0], Status.RUNNING)
    await world.kill_server()
    await world.kill_agent()
    await world.start_server(maxLogBytes=64 * LIMIT)
    await world.start_agent()
    first, second = [(await world.wait_build(number)).build for number in numbers]
    assert (first.log_size or 0) < LIMIT + LOG_MARK_ROOM
    assert second.log_size == len(LONG)


async def test_no_wrong_place_of_a_cut_is_kept(world: World, autojump_clock: MockClock) -> None:
    """What is said of it first holds, so it is not taken from a piece that is refused."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)

    async def send(offset: int, data: bytes, cut: int) -> int:
        path = f"/notify_build_log?id=1.1.1&offset={offset}&cut={cut}"
        answer = await agent.post(path, content=data)
        assert ("cut" in answer.text) == (answer.status_code == 422)
        return answer.status_code

    assert await send(0, b"head", 4) == 422, "it lies behind the piece"
    assert await send(0, b"head", 10**17) == 422
    assert await send(100, b"words", 102) == 409, "there is a gap before it"
    assert (await world.server.build(number)).attempts[0].log_cut is None
    assert await send(0, b"head, words", 6) == 200
    assert await send(11, b" and tail", 7) == 200
    assert (await world.server.build(number)).attempts[0].log_cut == 6


async def test_the_end_of_a_build_waits_for_no_search(
    world: World, autojump_clock: MockClock
) -> None:
    """Its log is looked through when the end is on disk: who dies in that has lost nothing."""
    await world.start_server()
    agent = world.agent()
    await agent.register()
    number = await world.submit()
    await world.wait_count(agent.taken)
    size = 0
    while size <= END_LOOK_BYTES:
        size = (await agent.log("1.1.1", size, LONG)).json()["size"]
    world.server_life.dies_at = "before LogSearch._look.<locals>.look"
    with pytest.raises(httpx.ReadError):
        await agent.finish("1.1.1", exit_code=3, log_size=size)
    await world.server_life.wait_over()
    agent.down()
    await world.start_server()
    assert (await world.server.build(number)).build.status is Status.FAILURE


async def test_the_first_error_of_a_long_log_is_known_when_the_build_has_ended(
    world: World, autojump_clock: MockClock
) -> None:
    """So the first look at its page has it, without a look into the log."""
    await world.start_server()
    await world.start_agent()
    far = LONG * (END_LOOK_BYTES // len(LONG) * 2)
    world.machine().first_output = far + b"error: it broke\n"
    view = await world.wait_build(await world.submit("exit 3"))
    id = view.attempts[0].id
    await trio.sleep(END_LOOK_S)
    (world.folder / "server" / "logs" / "000000" / f"{id}.log").unlink()
    [hit] = (await world.server.first_error(id)).hits
    assert (hit.line, hit.text) == (far.count(b"\n") + 1, "error: it broke")


async def test_the_first_error_of_a_short_log_is_known_on_a_busy_machine(
    world: World, autojump_clock: MockClock
) -> None:
    """A page does not call a log of one line too long to be looked through."""
    await world.start_server()
    await world.start_agent()
    world.machine().first_output = b"error: it broke\n"
    view = await world.wait_build(await world.submit("exit 3"))

    async def late(work: partial[Any]) -> Any:
        await trio.sleep(2 * PAGE_LOOK_S)
        return work()

    with blocking.inline(late):
        [hit] = (await world.server.first_error(view.attempts[0].id)).hits
    assert hit.text == "error: it broke"
