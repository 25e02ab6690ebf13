"""What stands in a log is found, however long the log, and in which slices it is looked at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from ci import blocking
from ci.server.logs import Logs
from ci.server.logsearch import SLICE_BYTES, LogSearch
from ci.server.views import LogHit

ID = "7.1.1"
FILLER = b"nothing to see here, go on\n"


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Logs in a folder."""
    return Logs(tmp_path)


async def write(logs: Logs, data: bytes) -> LogSearch:
    """Make the log, and something that looks through it."""
    await logs.append(ID, 0, data)
    return LogSearch(logs)


def filler(size: int) -> bytes:
    """So many bytes of lines in which nothing is found."""
    return FILLER * (size // len(FILLER))


def numbers(hits: tuple[LogHit, ...]) -> list[int]:
    """Their lines."""
    return [hit.line for hit in hits]


async def test_lines_are_found_with_their_numbers_in_both_directions(logs: Logs) -> None:
    """Over many slices; one hit for each line, whatever stands in it how often."""
    far = filler(3 * SLICE_BYTES)
    data = b"needle needle\n" + far + b"a needle\nneedle\n" + far + b"the last needle"
    search = await write(logs, data)
    count = far.count(b"\n")
    wanted = [1, count + 2, count + 3, 2 * count + 4]
    found = await search.after(ID, "needle", 0, 10)
    assert (numbers(found.hits), found.next) == (wanted, None)
    found = await search.after(ID, "needle", 1, 2)
    assert (numbers(found.hits), found.next) == (wanted[1:3], wanted[2])
    back, line = [], 2 * count + 9
    while (found := await search.before(ID, "needle", line)).hits:
        line = found.hits[0].line
        back.append(line)
    assert (back, found.next) == (wanted[::-1], None)


async def test_a_capital_letter_makes_case_count(logs: Logs) -> None:
    """Who writes small letters finds all."""
    search = await write(logs, b"Error\nerror\nERROR\n")
    assert numbers((await search.after(ID, "error", 0, 9)).hits) == [1, 2, 3]
    assert numbers((await search.after(ID, "Error", 0, 9)).hits) == [1]


async def test_letters_beyond_ascii_have_two_cases_as_well(logs: Logs) -> None:
    """Whatever bytes are around them, and a dot is a dot."""
    log = "Ärger. ÄRGER.\närger.\närgerx\narger.".encode()
    search = await write(logs, b"\xff\xc3" + log)
    found = await search.after(ID, "ärger.", 0, 9)
    assert (numbers(found.hits), found.hits[0].text) == ([1, 2], "Ärger.")
    assert numbers((await search.after(ID, "Ärger.", 0, 9)).hits) == [1]


async def test_what_is_coloured_is_found_as_it_is_read(logs: Logs) -> None:
    """Colours in the midst of a word, links and titles are not in the way, and not shown."""
    line = b"x \x1b]8;;http://a.b\x07\x1b[31mer\x1b[0mror\x1b[0m: \xc3\xa9 \x01\xe2\x80\xaeb\r\n"
    search = await write(logs, b"first\n" + line)
    found = await search.after(ID, "error: é", 0, 9)
    assert found.hits == (LogHit(2, "x ", "error: é", "   b"),)
    assert (await search.after(ID, None, 0, 9)).hits[0].line == 2


async def test_only_what_a_page_shows_of_a_line_is_found(logs: Logs) -> None:
    """Not what was written over, nor the marks of sections; a link would lead to something else."""
    log = (
        b"progress 30\rprogress 60%\r\nerror: lost\rnever mind\r\x1b[0m\x07\n"
        b"::group::progress of group 7\n::endgroup::\nprogresx\bs\n\rerror: kept"
    )
    search = await write(logs, log)
    found = (await search.after(ID, "progress", 0, 9)).hits
    told = [(hit.line, hit.before + hit.text + hit.after) for hit in found]
    assert told == [(1, "progress 60%"), (3, "progress of group 7"), (5, "progress")]
    assert numbers((await search.after(ID, "30", 0, 9)).hits) == []
    assert numbers((await search.after(ID, "group", 0, 9)).hits) == [3]
    assert numbers((await search.after(ID, None, 0, 9)).hits) == [6]
    assert (await search.before(ID, "group", 9)).hits[0].text == "group"


async def test_the_last_lines_before_one_are_found_in_their_order(logs: Logs) -> None:
    """As many as are wanted, from where one goes on upwards; over many slices, too."""
    log = b"".join(b"%d needle\n" % line + FILLER * 9_999 for line in range(30))
    search = await write(logs, log)
    assert len(log) > 7 * SLICE_BYTES
    found = await search.before(ID, "needle", 250_001, 9)
    wanted = [10_000 * line + 1 for line in range(16, 25)]
    assert (numbers(found.hits), found.next) == (wanted, wanted[0])
    assert [hit.before for hit in found.hits] == [f"{line} " for line in range(16, 25)]
    found = await search.before(ID, "needle", wanted[0], 99)
    assert (len(found.hits), found.next) == (16, None)


async def test_a_long_line_is_shown_around_what_was_found(logs: Logs) -> None:
    """And found once, though it is longer than a slice."""
    search = await write(logs, b"a\n" + b"x" * 2 * SLICE_BYTES + b"needle" + b"y" * SLICE_BYTES)
    [hit] = (await search.after(ID, "needle", 0, 9)).hits
    assert (hit.line, hit.text) == (2, "needle")
    assert (set(hit.before), set(hit.after)) == ({"x"}, {"y"})
    assert len(hit.before) + len(hit.after) < 300
    [hit] = (await search.before(ID, "needle", 3)).hits
    assert (hit.line, hit.text) == (2, "needle")


@pytest.mark.parametrize("line_length", [30, 3 * SLICE_BYTES])
async def test_one_question_looks_at_so_much_and_the_next_one_goes_on(
    logs: Logs, line_length: int
) -> None:
    """Nobody waits for a whole log, and nobody stays where he is, even in an endless line."""
    line = b"x" * line_length + b"\n"
    search = await write(logs, line * (6 * SLICE_BYTES // len(line) + 1) + b"needle\n")
    looked, after = 0, 0
    while not (found := await search.after(ID, "needle", after, 1, bound=SLICE_BYTES)).hits:
        assert found.next is not None
        assert found.next > after
        after, looked = found.next, looked + 1
    assert looked > 1


async def test_a_log_that_is_gone_or_shorter_has_nothing(logs: Logs) -> None:
    """It may have been removed meanwhile; an address may name any line."""
    search = LogSearch(logs)
    assert (await search.after(ID, "x", 0, 9)).hits == ()
    assert (await search.before(ID, "x", 9)).hits == ()
    await logs.append(ID, 0, b"x\n")
    assert (await search.after(ID, "x", 10**18, 9)).hits == ()
    assert numbers((await search.before(ID, "x", 10**18)).hits) == [1]


async def test_the_first_error_is_looked_for_piece_by_piece_and_remembered(logs: Logs) -> None:
    """Whoever may not wait any longer leaves; the next one goes on where he was."""
    far = filler(12 * SLICE_BYTES)
    search = await write(logs, far + b"error: broken\nerror: again\n")
    first, second = [await look_for_a_while(search) for _ in range(2)]
    assert first is not None
    assert second is not None
    assert 0 < first < second
    found = await search.first_error(ID)
    assert numbers(found.hits) == [far.count(b"\n") + 1]
    await logs.remove(ID)
    assert await search.first_error(ID) == search.known_error(ID) == found


async def test_who_looks_on_for_the_first_error_does_it_for_all(logs: Logs) -> None:
    """What he finds is what the page tells then."""
    far = filler(8 * SLICE_BYTES)
    search = await write(logs, far + b"error: broken\nerror: again\n")
    begun = await look_for_a_while(search)
    assert begun is not None
    await search.after(ID, "error", begun, 9)
    assert search.known_error(ID).hits == ()
    found = await search.after(ID, None, begun, 9)
    assert numbers(search.known_error(ID).hits) == numbers(found.hits)[:1]
    await search.after(ID, None, found.hits[0].line, 9)
    assert numbers(search.known_error(ID).hits) == numbers(found.hits)[:1]


async def look_for_a_while(search: LogSearch) -> int | None:
    """Look for the first error and leave after a few slices; where the next one goes on."""
    slices = 0

    async def until_he_leaves(work: partial[Any]) -> Any:
        nonlocal slices
        slices += 1
        if slices == 6:
            scope.cancel()
        return work()

    with blocking.inline(until_he_leaves), trio.CancelScope() as scope:
        await search.first_error(ID)
    return search.known_error(ID).next


async def test_a_reader_who_leaves_ends_the_search(logs: Logs) -> None:
    """Between two slices; then the next one has his turn."""
    search = await write(logs, filler(4 * SLICE_BYTES) + b"needle")
    slices = 0

    async def until_he_leaves(work: object) -> object:
        nonlocal slices
        slices += 1
        scope.cancel()
        return work()  # type: ignore[operator]

    with blocking.inline(until_he_leaves), trio.CancelScope() as scope:
        await search.after(ID, "needle", 0, 1)
    assert scope.cancelled_caught
    assert slices == 1
    assert numbers((await search.after(ID, "needle", 0, 1)).hits) != []
