"""Whatever a command prints becomes safe HTML that looks as a terminal would show it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.web import style as look
from ci.web.style import PLAIN, Style, read_style
from ci.web.text import MAX_ROW_BYTES, Place, line_html, rows, unfinished

# Bytes as commands print them: text, line ends, colours, and broken pieces of all of these.
PIECES = st.sampled_from(
    [b"\n", b"\r", b"\r\n", b"\t", b"\x1b[31m", b"\x1b[0m", b"\x1b[1;44m", b"\x1b[38;5;208m",
     b"\x1b[", b"\x1b]8;;http://x\x1b\\", b"<b>", b"&amp;", b'"', b"<script>", b"\xff", b"\xc3",
     "é€😀".encode(), b"\x00", b"\x07", b"\x1b[2K", b"\x1b[38;2;1;2;3m", b"\xe2\x80\xae"]
)  # fmt: skip
PRINTED = st.lists(PIECES | st.binary(max_size=8), max_size=60).map(b"".join)
STYLES = st.builds(
    Style,
    bold=st.booleans(),
    dim=st.booleans(),
    italic=st.booleans(),
    underline=st.booleans(),
    strike=st.booleans(),
    inverse=st.booleans(),
    colour=st.none() | st.integers(0, 15),
    background=st.none() | st.integers(0, 15),
)
OUR_TAG = re.compile(r'<span class="[a-z0-9 ]+">|</span>')


def shown(line: bytes) -> str:
    """The HTML of one line that begins plain."""
    return str(line_html(line, PLAIN)[0])


@given(PRINTED, STYLES)
def test_output_can_never_become_markup(data: bytes, style: Style) -> None:
    """Beside our own spans no `<` of the input is left, and every span is closed."""
    for line in data.split(b"\n"):
        html = str(line_html(line, style)[0])
        rest = OUR_TAG.sub("", html)
        assert "<" not in rest
        assert ">" not in rest
        assert "\x1b" not in rest
        assert html.count("<span") == html.count("</span>")


@given(PRINTED, st.integers(0, 600), STYLES)
def test_bytes_may_be_split_anywhere(data: bytes, cut: int, style: Style) -> None:
    """However the bytes arrive, the rows, their numbers and the style after them are the same."""
    start = Place(1000, 7, style)
    at_once, end = rows(data, start)
    first, middle = rows(data[:cut], start)
    second, last = rows(data[middle.offset - 1000 :], middle)
    assert first + second == at_once
    assert last == end


@given(st.integers(0, 3 * MAX_ROW_BYTES), st.sampled_from([b"x", "é".encode(), b"\x80"]))
def test_an_endless_line_is_shown_in_rows(length: int, unit: bytes) -> None:
    """Each row is bounded, one has the number, and no character is lost or cut."""
    data = (unit * length)[:length] + b"\nnext\n"
    made, end = rows(data, Place())
    assert [row.number for row in made] == [1] + [None] * (len(made) - 2) + [2]
    assert all(len(row.html) <= MAX_ROW_BYTES for row in made)
    text = "".join(row.html for row in made[:-1])
    assert text == data[:length].decode("utf-8", "replace")
    assert end == Place(len(data), 3)


@pytest.mark.parametrize("end", [b"\r", b"\x1b[K\r", b"\r\x1b[K"])
@pytest.mark.parametrize("last", [b"", b"\n"])
def test_a_long_progress_bar_leaves_no_debris(end: bytes, last: bytes) -> None:
    """However often it was written over: one row, with what a terminal would show."""
    data = b"".join(b"\x1b[32m%5d of 5000" % n + end for n in range(1, 5001)) + b"done" + last
    assert len(data) > 4 * MAX_ROW_BYTES
    made, after = rows(data, Place(line=7))
    pending = unfinished(data[after.offset :], after)
    (row,) = made if pending is None else [*made, pending]
    assert (row.number, row.html) == (7, '<span class="f2">done</span>')
    assert len(data) - after.offset <= MAX_ROW_BYTES


@given(
    st.lists(
        st.sampled_from([b"x" * 5000, b"\r", b"\n", b"\x1b[K", "é".encode() * 999]), max_size=40
    ).map(b"".join),
    st.integers(0, 100_000),
)
def test_long_lines_that_begin_again_may_be_split_anywhere(data: bytes, cut: int) -> None:
    """The rows are the same, and each line has one with its number."""
    at_once, end = rows(data, Place())
    first, middle = rows(data[:cut], Place())
    second, last = rows(data[middle.offset :], middle)
    assert (first + second, last) == (at_once, end)
    numbers = [row.number for row in at_once if row.number is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) in (data.count(b"\n"), data.count(b"\n") + 1)


@given(PRINTED)
def test_each_line_has_its_row(data: bytes) -> None:
    """A complete line is one row, in order; what follows the last one is unfinished."""
    made, end = rows(data, Place())
    assert [row.number for row in made] == list(range(1, data.count(b"\n") + 1))
    rest = data[end.offset :]
    assert rest == data.rsplit(b"\n", 1)[-1]
    pending = unfinished(rest, end)
    assert (pending is None) == (rest == b"")


@given(STYLES)
def test_a_style_survives_its_code(style: Style) -> None:
    """The compact form in an address says all of it."""
    assert read_style(style.code) == style
    assert len(style.code) <= 10


@pytest.mark.parametrize("code", ["x", "bb", "f", "fg", "f16", "<", "db", "g1f1", "f1 ", "F1"])
def test_a_wrong_style_code_is_refused(code: str) -> None:
    """It comes from an address, so anything may be in it."""
    with pytest.raises(ValueError, match="is no style"):
        read_style(code)


@pytest.mark.parametrize(
    ("line", "html"),
    [
        (b"plain", "plain"),
        (b"a < b & c > d", "a &lt; b &amp; c &gt; d"),
        (b"\x1b[31mred\x1b[0m plain", '<span class="f1">red</span> plain'),
        (b"\x1b[1;32mok", '<span class="b f2">ok</span>'),
        (b"\x1b[2;3;4;9mx", '<span class="d i u s">x</span>'),
        (b"\x1b[1m\x1b[22mx", "x"),
        (b"\x1b[91;104mx", '<span class="f9 g12">x</span>'),
        (b"\x1b[31;42m\x1b[39mx\x1b[49my", '<span class="g2">x</span>y'),
        (b"\x1b[7mx\x1b[27my", '<span class="gi">x</span>y'),
        (b"\x1b[7;31mx", '<span class="g1">x</span>'),
        (b"\x1b[38;5;9mx", '<span class="f9">x</span>'),
        (b"\x1b[38;5;196mx", '<span class="f9">x</span>'),
        (b"\x1b[38;5;232mx", '<span class="f0">x</span>'),
        (b"\x1b[48;2;250;250;250mx", '<span class="g15">x</span>'),
        (b"\x1b[38:2::0:0:0mx", '<span class="f0">x</span>'),
        (b"\x1b[38:5:2mx", '<span class="f2">x</span>'),
        (b"\x1b[4:0mx", "x"),
        (b"\x1b[38;5;1;1mx", '<span class="b f1">x</span>'),
        (b"\x1b[38mx\x1b[38;5mx\x1b[38;9mx\x1b[999999999999mx", "xxxx"),
        (b"\x1b[;31;mx", "x"),
        (b"\x1b[mx", "x"),
        (b"\x1b[2K\x1b[1A\x1b[?25lx\x1b[", "x"),
        (b"\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "xlink"),
        (b"\x1b]never ended", "never ended"),
        (b"\x1b(Bx\x1b=y\x1b", "xy"),
        (b"10%\r50%\r100%", "100%"),
        (b"100%\r", "100%"),
        (b"100%\r\x1b[K", "100%"),
        (b"\x1b[31mold\rnew", '<span class="f1">new</span>'),
        (b"bell\x07 nul\x00 del\x7f back\x08", "bell nul\u2400 del\u2421 back"),
        (b"wait |\x08/\x08-\x08\x07 done", "wait  done"),
        (b"\x08\x08_\x08a_\x08b", "ab"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"\xe2\x80\xaeevil", "\ufffdevil"),
        (b"a\tb", "a\tb"),
        (b"", ""),
    ],
)
def test_a_line_looks_as_in_a_terminal(line: bytes, html: str) -> None:
    """Each case is one habit of real programs."""
    assert shown(line) == html


def test_a_character_that_is_still_being_written_is_left_out() -> None:
    """The page shows no replacement mark that turns into a letter a moment later."""
    euro = "€".encode()
    row = unfinished(b"5 " + euro[:2], Place())
    assert row is not None
    assert row.html == "5 "
    row = unfinished(b"5 " + euro, Place(line=3))
    assert row is not None
    assert (row.number, unescape(row.html)) == (3, "5 €")


def test_a_colour_is_compared_with_the_palette_once() -> None:
    """A log of many colours must not keep the event loop busy; what is kept is bounded."""
    look._nearest.cache_clear()
    look._change_usual.cache_clear()
    for _ in range(50):
        assert shown(b"\x1b[38;2;250;10;10mx\x1b[38;5;196my") == (
            '<span class="f9">x</span><span class="f9">y</span>'
        )
    assert look._nearest.cache_info().misses == 2
    assert look._nearest.cache_info().maxsize is not None
    found = look._change_usual.cache_info()
    assert (found.misses, found.hits) == (2, 98)
    assert found.maxsize is not None
