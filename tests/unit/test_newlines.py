"""The new lines of a log are found, whatever else differs; of real outputs, and of any."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci import newlines
from ci.newlines import compare
from ci.news import News
from ci.plainlines import MAX_LINE_BYTES

LOGS = Path(__file__).parent.parent / "logs"  # what programs have printed, shortened
# Of each pair: the new lines that are shown, and which of them look like an error.
EXPECTED = {
    "pytest": ([306, 309, 310, *range(312, 316), *range(317, 321)], [306, 315, 317, 319]),
    "gcc": ([*range(39, 54)], [40, 43, 52, 53]),
    "cargo": (
        [8, 10, 12, *range(14, 36), 38, 39, 41, 43],
        [8, 14, 41, 43],
    ),
    "maven": ([*range(54, 59), 134, 135, 138], [54, 55, 56, 134, 135, 138]),
    "npm": ([1, 6, 7, 8], [6, 7, 8]),
    "shuffled": ([*range(9, 13), 50], []),
    "timeout": ([9], []),
}
LINES = st.lists(
    st.sampled_from([b"", b"ok 1", b"error: 2", b"a 3.5 s", b"-----", b"b\r", b"1% \r2%", b"c"]),
    max_size=20,
)


def numbers(news: News) -> list[int]:
    """The new lines that are shown."""
    return [line.number for run in news.runs for line in run if line.is_new]


def lines(*texts: bytes) -> list[bytes]:
    """A log in one piece."""
    return [b"".join(text + b"\n" for text in texts)]


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_new_in_real_outputs(name: str) -> None:
    """Of a failing test among 300, a compiler, tests in any order, a log that stops midway."""
    green, red = ((LOGS / f"{name}.{colour}.txt").read_bytes() for colour in ("green", "red"))
    news = compare([red], [green])
    shown, errors = EXPECTED[name]
    assert numbers(news) == shown
    assert [line.number for run in news.runs for line in run if line.is_error] == errors
    assert not news.is_strange or name == "cargo"
    assert compare([green], [green]).new == 0


def test_a_log_that_stops_misses_what_came_next() -> None:
    """So one sees where it hung."""
    green, red = ((LOGS / f"timeout.{colour}.txt").read_bytes() for colour in ("green", "red"))
    news = compare([red], [green])
    assert (news.missing, news.missing_lines) == (4, (9, 10, 11, 12))


@given(LINES)
def test_a_log_has_nothing_new_against_itself(log: list[bytes]) -> None:
    """Nor against the same lines in another order; and nothing of it is missing."""
    news = compare(lines(*log), lines(*log[::-1]))
    assert (news.new, news.runs, news.missing) == (0, (), 0)


@given(LINES, st.lists(st.sampled_from([b"new words", b"other ones", b"error: new"])))
def test_lines_that_are_new_in_words_are_found(log: list[bytes], added: list[bytes]) -> None:
    """However many there are, each kind is shown once, and the others are counted."""
    news = compare(lines(*log, *added), lines(*log))
    shown = [line for run in news.runs for line in run if line.is_new]
    assert news.new == len(added)
    assert {line.text for line in shown} == set(added)
    assert len(shown) + sum(line.alike for line in shown) == len(added)


@given(st.binary(max_size=400), st.binary(max_size=400), st.integers(1, 50))
def test_it_does_not_matter_how_logs_are_cut(red: bytes, green: bytes, size: int) -> None:
    """Pieces come as the disk gives them."""
    cut = [[log[at : at + size] for at in range(0, len(log), size)] for log in (red, green)]
    assert compare(*cut) == compare([red], [green])


def test_lines_between_new_ones_are_shown_with_them() -> None:
    """A few, so that one can read on; further apart they are two runs."""
    between = [b"known %s" % word for word in (b"a", b"b", b"c", b"d", b"e")]
    news = compare(
        lines(b"first new", *between[:2], b"next new", *between, b"far new"), lines(*between)
    )
    runs = [[(line.number, line.is_new) for line in run] for run in news.runs]
    assert runs == [[(1, True), (2, False), (3, False), (4, True)], [(10, True)]]


def test_an_error_that_comes_more_often_is_new() -> None:
    """Of other lines any number is fine: how often one tries again is luck."""
    log = lines(b"error: refused", b"try again")
    news = compare(log * 3, log)
    assert [(line.number, line.alike) for run in news.runs for line in run] == [(3, 1)]
    assert news.new == 2


PREFIXES = ["", "web_1  | ", "[13:41:59] ", "2026-01-01T10:00:01.1234567Z ", "#9 0.512 "]
JAVASCRIPT = ["TypeError: x is undefined", "    at foo (a.js:1:2)", "    at bar (a.js:9:2)"]
PYTHON = [
    "Traceback (most recent call last):",
    '  File "a.py", line 1, in run',
    "    wait()",
    "pkg.TimedOut: 3 s",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("red", "says"), [(JAVASCRIPT, 0), (PYTHON, 3)])
def test_the_exception_says_what_went_wrong(prefix: str, red: list[str], says: int) -> None:
    """Not the beginning of its traceback, nor one of its frames; behind whatever prefix."""
    log = [f"{prefix}{line}".encode() for line in ["ready", *red]]
    error = compare(lines(*log), lines(log[0])).first_error
    assert error is not None
    assert error.text == log[1 + says]


def test_the_last_new_line_is_no_frame_of_a_stack() -> None:
    """If another one is new; else it is all that there is."""
    red = [b"web_1  | no user is left", b"web_1  |     at foo (a.js:1:2)"]
    for log, last in ((red, red[0]), (red[1:], red[1])):
        news = compare(lines(*log, b"web_1  | ready"), lines(b"web_1  | ready"))
        assert news.first_error is None
        assert news.last is not None
        assert news.last.text == last


def test_the_last_new_line_is_a_usual_one_if_all_are() -> None:
    """One more file is loaded: it is the only thing that is new."""
    green = [b"loading users.yml", b"loading roles.yml", b"loading teams.yml", b"ok"]
    news = compare(lines(b"loading users.yml", b"loading missing.yml"), lines(*green))
    assert news.last is not None
    assert (news.last.number, news.last.is_usual) == (2, True)


def downloads(*names: bytes) -> list[bytes]:
    """What builds print that get things under ever other names."""
    return [b"Downloading https://example.org/pkg-%b/%d.tgz ok" % (name, 7) for name in names]


def test_lines_that_are_usual_but_for_a_name_are_one_line() -> None:
    """They hide nothing, and are neither the last that is new, nor missed."""
    green, red = ([word(7 * n + start) for n in range(30)] for start in (1, 3))
    news = compare(
        lines(*downloads(*red[:20]), b"in step 7", *downloads(*red[20:])), lines(*downloads(*green))
    )
    found = [(line.number, line.is_usual, line.alike) for run in news.runs for line in run]
    assert found == [(1, True, 29), (21, False, 0)]
    assert news.last is not None
    assert (news.new, news.last.text, news.missing) == (31, b"in step 7", 0)


def test_a_name_that_comes_each_time_is_missed() -> None:
    """Another one in its place is no reason to pass over it."""
    news = compare(
        lines(b"ok is aaa", b"ok is bbb", b"ok is ddd"),
        lines(*(b"ok is aaa", b"ok is bbb", b"ok is ccc")),
    )
    assert news.missing_lines == (3,)


def test_an_error_is_never_usual() -> None:
    """Each one is shown, whatever the green log has."""
    green = [b"error: no %b here" % name for name in (b"aaa", b"bbb", b"ccc", b"ddd")]
    news = compare(lines(b"error: no xxx here", b"error: no yyy here"), lines(*green))
    assert numbers(news) == [1, 2]


def test_colours_are_no_difference_and_are_kept() -> None:
    """What is shown is as it was printed."""
    news = compare(lines(b"\x1b[32mok\x1b[0m 1", b"\x1b[31mbad\x1b[0m\r"), lines(b"ok 2"))
    assert [line.text for run in news.runs for line in run] == [b"\x1b[31mbad\x1b[0m\r"]


def test_only_the_beginning_of_a_long_line_counts() -> None:
    """Of one that was written over again and again, what stood there last."""
    long = b"x" * MAX_LINE_BYTES
    assert compare(lines(long + b"a"), lines(long + b"b")).new == 0
    bar = b"".join(b"\r%d%% of it" % part for part in range(1000))
    assert compare(lines(bar + b"\rdone"), lines(b"done")).new == 0
    assert len(compare([b"y" * 10 * MAX_LINE_BYTES], []).runs[0][0].text) == MAX_LINE_BYTES


def word(number: int) -> bytes:
    """A word for each number."""
    return bytes(97 + number // 26**place % 26 for place in range(4))


def test_of_too_many_new_lines_the_errors_the_first_and_the_last_are_shown() -> None:
    """And how many are not; when nearly all are new, that is said."""
    red = [b"error: x" if number == 700 else word(number) for number in range(1000)]
    news = compare(lines(*red), lines(b"other"))
    shown = numbers(news)
    assert 701 in shown
    assert (shown[0], shown[-1]) == (1, 1000)
    assert len(shown) == newlines.MOST_FIRST + newlines.MOST_LAST + 1
    assert len(shown) + news.hidden == news.new == 1000
    assert news.is_strange


def test_memory_is_bounded_and_it_is_said() -> None:
    """More kinds of lines than are told apart are left out, on either side."""
    many = lines(*(word(number) for number in range(newlines.MAX_SHAPES + 50)))
    assert compare(many, []).is_full
    assert compare([], many).is_full
    assert not compare(lines(b"a"), lines(b"b")).is_full
