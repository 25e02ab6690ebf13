"""A log of any size is shown by windows; a tail adds what is new and nothing twice."""

from __future__ import annotations

import trio
from hypothesis import given
from hypothesis import strategies as st

from ci.server.views import LogView
from ci.web.logtail import has_news
from ci.web.logview import (
    LOOK_BACK_BYTES,
    MAX_BEHIND_LINES,
    WINDOW_BYTES,
    WINDOW_LINES,
    LogShown,
    continue_log,
    open_log,
)
from tests.fakes.core import FakeCore

ID = "1.1.1"


def core_with(data: bytes) -> FakeCore:
    """A core that has one log."""
    core = FakeCore()
    core._logs[ID] = data
    return core


async def window(data: bytes, *, growing: bool = False, **place: int) -> LogShown:
    """Open a window."""
    log = LogView(ID, len(data), growing)
    ended = not growing
    return await open_log(
        core_with(data),
        log,
        begin=place.get("begin"),
        end=place.get("end"),
        ended=ended,
        version="v",
    )


async def added(core: FakeCore, shown: LogShown, log: LogView, *, ended: bool = False) -> LogShown:
    """What is added to a page that follows the log."""
    more = await continue_log(core, shown.tail, log, ended=ended, version="v")
    assert more is not None
    return more


def numbers(shown: LogShown) -> tuple[int | None, int | None]:
    """The numbers of the first and the last row."""
    return shown.rows[0].number, shown.rows[-1].number


def lines(count: int) -> bytes:
    """A log of so many lines."""
    return b"".join(b"line %d\n" % number for number in range(1, count + 1))


async def test_a_small_log_is_shown_whole() -> None:
    """And its last line, which has no end, too."""
    shown = await window(lines(3) + b"rest")
    assert [row.html for row in shown.rows] == ["line 1", "line 2", "line 3", "rest"]
    assert (shown.earlier, shown.later, shown.live) == (False, None, False)


async def test_a_big_log_is_shown_from_its_end_with_right_numbers() -> None:
    """And one gets from window to window without a gap, up and down."""
    data = lines(3 * WINDOW_LINES)
    last = await window(data)
    assert numbers(last) == (2 * WINDOW_LINES + 1, 3 * WINDOW_LINES)
    assert last.earlier
    before = await window(data, end=last.tail.start)
    assert numbers(before) == (WINDOW_LINES + 1, 2 * WINDOW_LINES)
    assert before.later == last.tail.start
    first = await window(data, begin=0)
    assert numbers(first) == (1, WINDOW_LINES)
    assert first.later == before.tail.start
    assert not first.earlier
    assert not first.live
    again = await window(data, begin=first.later)
    assert again.rows == before.rows


async def test_a_window_begins_at_a_line() -> None:
    """Links lead to lines. Within one it begins there, without a number; behind the end is none."""
    data = lines(100)
    assert numbers(await window(data, begin=3)) == (None, 100)
    assert numbers(await window(data, begin=7)) == (2, 100)
    assert (await window(data, begin=10**9)).rows == []
    assert (await window(data, end=0)).rows == []


async def test_one_endless_line_costs_one_window() -> None:
    """No line end anywhere: still a bounded page."""
    data = b"x" * (5 * WINDOW_BYTES)
    shown = await window(data)
    assert sum(len(row.html) for row in shown.rows) == WINDOW_BYTES
    assert {row.number for row in shown.rows} == {None}
    shown = await window(data, begin=WINDOW_BYTES)
    assert shown.later is not None
    assert shown.later > WINDOW_BYTES


async def test_no_byte_of_a_long_line_is_between_two_windows() -> None:
    """By `later` from the first one, and by `earlier` from the last one."""
    long = "".join(f"{number} é " for number in range(60_000))
    data = f"{lines(5).decode()}{long}\nnext\n{long}\n{lines(5).decode()}".encode()
    shown = await window(data, begin=0)
    down = list(shown.rows)
    while shown.later is not None:
        shown = await window(data, begin=shown.later)
        down += shown.rows
    up = list(shown.rows)
    while shown.earlier:
        shown = await window(data, end=shown.tail.start)
        up = shown.rows + up
    for rows in (down, up):
        assert "".join(row.html for row in rows).encode() == data.replace(b"\n", b"")
        assert [row.number for row in rows if row.number] == list(range(1, 14))


@given(st.lists(st.binary(max_size=30) | st.just(b"\n"), max_size=20))
def test_a_tail_shows_each_byte_once(pieces: list[bytes]) -> None:
    """Rows that came piece by piece are those of the whole log, and then it is over."""
    data = b"".join(pieces)

    async def follow() -> None:
        core = core_with(b"")
        log = LogView(ID, 0, growing=True)
        shown = await open_log(core, log, ended=False, version="v")
        made = list(shown.rows)
        for piece in pieces:
            core.print(ID, piece)
            log = LogView(ID, len(core._logs[ID]), growing=True)
            assert has_news(shown.tail, log, current=True) == bool(piece)
            shown = await added(core, shown, log)
            assert shown.live
            made += shown.rows
        log = LogView(ID, len(data), growing=False)
        assert has_news(shown.tail, log, current=True)
        shown = await added(core, shown, log, ended=True)
        assert not shown.live
        assert shown.pending is None
        assert not has_news(shown.tail, log, current=True)
        whole = await open_log(core, log, ended=True, version="v")
        assert made + shown.rows == whole.rows

    trio.run(follow)


async def test_only_the_words_at_the_cut_are_no_output() -> None:
    """The same words that a command has printed look like what they are; colours end there."""
    words = b"[nursery-ci: the output limit of 64 KiB is reached]\n[7 bytes are left out here]\n"
    data = words + b"\x1b[31mred\n" + words + b"tail\n" + words
    cut = len(words) + len(b"\x1b[31mred\n")
    shown = await open_log(
        core_with(data), LogView(ID, len(data), False, cut), ended=True, version="v"
    )
    assert [row.ours for row in shown.rows] == [False] * 3 + [True] * 2 + [False] * 3
    assert "class" not in shown.rows[3].html
    assert shown.ours == range(cut, cut + len(words))
    assert not shown.cut_off
    size = cut + len(words)
    log = LogView(ID, size, True, cut)
    shown = await open_log(core_with(data[:size]), log, ended=False, version="v")
    assert shown.cut_off
    log = LogView(ID, len(data), False, cut)
    begin = cut + words.index(b"\n") + 1
    second = await open_log(core_with(data), log, begin=begin, ended=True, version="v")
    assert [row.ours for row in second.rows][:2] == [True, False]


async def test_one_answer_has_no_more_lines_than_a_window() -> None:
    """A burst comes in several answers, each line once; also when the build has ended meanwhile."""
    core = core_with(b"")
    shown = await open_log(core, LogView(ID, 0, growing=True), ended=False, version="v")
    core.print(ID, lines(MAX_BEHIND_LINES - 1) + b"rest")
    log = LogView(ID, len(core._logs[ID]), growing=False)
    made, most = list(shown.rows), 0
    while shown.live:
        assert has_news(shown.tail, log, current=False)
        shown = await added(core, shown, log, ended=True)
        made += shown.rows
        most = max(most, len(shown.rows))
    assert most == WINDOW_LINES
    assert [row.number for row in made] == list(range(1, MAX_BEHIND_LINES + 1))
    assert made[-1].html == "rest"


async def test_a_burst_that_nobody_can_follow_is_not_followed() -> None:
    """Who follows the end is led to it, where so many lines would take several looks."""
    core = core_with(b"start\n")
    shown = await open_log(core, LogView(ID, 6, growing=True), ended=False, version="v")
    core.print(ID, b"\n" * (MAX_BEHIND_LINES + 1))
    log = LogView(ID, len(core._logs[ID]), growing=True)
    assert await continue_log(core, shown.tail, log, ended=False, version="v") is None


async def test_a_window_begins_in_the_colour_that_was_set_above() -> None:
    """As in a terminal; not in one that was set too far above, nor behind our own words."""
    red = b"\x1b[31m" + lines(2 * WINDOW_LINES)
    assert '<span class="f1">' in (await window(red)).rows[0].html
    assert "class" not in (await window(red + b"\x1b[m\n", end=len(red) + 4)).rows[-1].html
    far = b"\x1b[31m" + b"x" * LOOK_BACK_BYTES + b"\n" + b"plain\n"
    assert (await window(far, begin=len(far) - 6)).rows[0].html == "plain"
    words = b"[nursery-ci: the output limit of 64 KiB is reached]\n[7 bytes are left out here]\n"
    cut = red + words + b"tail\n"
    log = LogView(ID, len(cut), growing=False, cut=len(red))
    shown = await open_log(core_with(cut), log, begin=len(cut) - 5, ended=True, version="v")
    assert [row.html for row in shown.rows] == ["tail"]
