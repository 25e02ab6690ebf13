"""Two logs of any length are compared without a wait for anybody else, once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ci import blocking
from ci.server.comparing import HEAD_BYTES, SLICE_BYTES, TAIL_BYTES
from ci.server.comparison import KNOWN_PAIRS, LEFT_S, MOST_BEGUN, SHORT_BYTES, Comparisons
from ci.server.logs import Logs
from ci.server.views import LogNews

GREEN, RED = "1.1.1", "2.1.1"
FILLER = b"a line that every such build prints, with a number: 12345\n"


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Logs in a folder."""
    return Logs(tmp_path)


def filler(size: int) -> bytes:
    """At least so many bytes of lines that are no news."""
    return FILLER * (size // len(FILLER) + 1)


def new_lines(found: LogNews) -> list[tuple[int, bytes]]:
    """Number and text of the new lines."""
    return [(line.number, line.text) for run in found.news.runs for line in run if line.is_new]


async def test_new_and_missing_lines_are_found_over_many_slices(logs: Logs) -> None:
    """With the numbers that the log's page shows, also of a last line without an end."""
    far = filler(3 * SLICE_BYTES)
    await logs.append(GREEN, 0, b"begin\n" + far + b"passed\n" + far)
    await logs.append(RED, 0, b"begin\n" + far + b"error: broken\n" + far + b"exit")
    found = await Comparisons(logs).compare(RED, GREEN)
    count = far.count(b"\n")
    assert new_lines(found) == [(count + 2, b"error: broken"), (2 * count + 3, b"exit")]
    assert [(line.number, line.text) for line in found.missing] == [(count + 2, b"passed")]
    assert (found.left_out, found.green_left_out) == (0, 0)


@pytest.mark.parametrize("line", [FILLER, b"x" * SLICE_BYTES + b"\n"])
async def test_of_a_long_log_beginning_and_end_are_compared(logs: Logs, line: bytes) -> None:
    """What is new there has the right number; what was not looked at is told."""
    more = 4 << 20
    count = (HEAD_BYTES + TAIL_BYTES + more) // len(line)
    await logs.append(GREEN, 0, line)
    parts = [b"error: first\n", line * count, b"error: last\n"]
    within = (HEAD_BYTES + more // 2) // len(line) * len(line)
    parts[1:2] = [parts[1][:within], b"error: in the midst\n", parts[1][within:]]
    log = b"".join(parts)
    await logs.append(RED, 0, log)
    found = await Comparisons(logs).compare(RED, GREEN)
    assert new_lines(found) == [(1, b"error: first"), (log.count(b"\n"), b"error: last")]
    assert 0 < found.left_out <= len(log) - HEAD_BYTES - TAIL_BYTES + 2 * len(line)
    assert found.green_left_out == 0


async def test_a_long_log_that_is_one_line_is_compared_at_its_beginning(logs: Logs) -> None:
    """There is no line that begins near its end."""
    await logs.append(GREEN, 0, FILLER)
    size = HEAD_BYTES + TAIL_BYTES + 10
    await logs.append(RED, 0, FILLER + b"x" * size)
    found = await Comparisons(logs).compare(RED, GREEN)
    assert new_lines(found) == []
    assert found.left_out == len(FILLER) + size - HEAD_BYTES


async def test_other_numbers_are_told_as_well(logs: Logs) -> None:
    """With the line of the green log, whether something else is new or not."""
    await logs.append(GREEN, 0, b"begin\ncoverage: 92%\n")
    await logs.append(RED, 0, b"coverage: 71%\nbegin\n")
    found = await Comparisons(logs).compare(RED, GREEN)
    told = [(line.number, line.text, other.number, other.text) for line, other in found.changed]
    assert told == [(1, b"coverage: 71%", 2, b"coverage: 92%")]
    await logs.append(RED, 20, b"oh no\n")
    found = await Comparisons(logs).compare(RED, GREEN)
    assert (found.news.new, len(found.changed), found.changed_kinds) == (1, 1, 1)


async def test_a_pair_is_compared_once_and_remembered_for_a_while(logs: Logs) -> None:
    """Also when many ask for it at the same moment; the oldest are forgotten."""
    await logs.append(GREEN, 0, FILLER)
    await logs.append(RED, 0, b"new\n")
    comparisons = Comparisons(logs)
    found: list[LogNews] = []

    async def ask() -> None:
        found.append(await comparisons.compare(RED, GREEN))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert all(one is found[0] for one in found)
    await logs.remove(RED)
    assert await comparisons.compare(RED, GREEN) is found[0]
    for number in range(3, KNOWN_PAIRS + 3):
        await comparisons.compare(f"{number}.1.1", GREEN)
    assert new_lines(await comparisons.compare(RED, GREEN)) == []


async def look_for(comparisons: Comparisons, red: str, slices: int) -> LogNews | None:
    """Ask for so many slices and leave; what came of it."""

    async def until_he_leaves(work: partial[Any]) -> Any:
        nonlocal slices
        slices -= 1
        if slices == 0:
            scope.cancel()
        return work()

    with blocking.inline(until_he_leaves), trio.CancelScope() as scope:
        return await comparisons.compare(red, GREEN)
    return None


async def test_who_asks_again_goes_on_where_the_last_one_left(logs: Logs) -> None:
    """So a page can show how far it is, and a reader who leaves ends the work."""
    await logs.append(GREEN, 0, filler(9 * SLICE_BYTES) + b"gone\n")
    await logs.append(RED, 0, filler(9 * SLICE_BYTES) + b"new\n")
    comparisons = Comparisons(logs)
    looks, seen = 0, [0]
    while (found := await look_for(comparisons, RED, 5)) is None:
        looks += 1
        seen.append(comparisons.looked_at(RED, GREEN))
        assert looks < 20
    assert looks == 4
    assert seen == sorted(set(seen)), "each look brings it further"
    assert [text for _, text in new_lines(found)] == [b"new"]
    assert [line.text for line in found.missing] == [b"gone"]
    assert comparisons.looked_at(RED, GREEN) == 0, "nothing is kept of it"


async def test_of_many_long_logs_some_are_compared_at_once(
    logs: Logs, autojump_clock: MockClock
) -> None:
    """Readers of others wait until these are done, or until their readers have left."""
    await logs.append(GREEN, 0, filler(SHORT_BYTES))
    reds = [f"{number}.1.1" for number in range(2, MOST_BEGUN + 3)]
    for red in reds:
        await logs.append(red, 0, b"new\n")
    comparisons = Comparisons(logs)
    for red in reds[:-1]:
        assert await look_for(comparisons, red, 2) is None
    began = trio.current_time()
    with blocking.inline():
        assert new_lines(await comparisons.compare(reds[-1], GREEN)) == [(1, b"new")]
    assert trio.current_time() - began >= LEFT_S
    assert [comparisons.looked_at(red, GREEN) for red in reds] == [0] * len(reds)
