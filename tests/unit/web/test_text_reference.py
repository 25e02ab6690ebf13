"""Rows are made in a quick way; a slow and plain one, letter by letter, comes to the same."""

from __future__ import annotations

import re
from html import escape
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from ci.web.style import PLAIN, Style, change, style_after
from ci.web.text import line_html

PIECES = st.sampled_from(
    [b"\r", b"\r\r", b"\b", b"\b\b", b"\t", b"\a", b"\x0e", b"\x00", b"\x7f", b"\x1b", b"abc",
     b"<b>", b"\x1b[31m", b"\x1b[m", b"\x1b[0m", b"\x1b[0;1m", b"\x1b[38;5;208m", b"\x1b[4:0m",
     b"\x1b[2K", b"\x1b[", b"[3", b"1", b"m", b"\x1b]0;title\x07", b"\x1b]8;;x\x1b\\", b"\x1b]",
     b"\xff", b"\xc3", "é€😀".encode(), "\u202e\x85".encode()]
)  # fmt: skip
LINES = st.lists(PIECES | st.binary(max_size=4), max_size=40).map(
    lambda pieces: b"".join(pieces).replace(b"\n", b"")
)
TOKEN: Final = re.compile(
    r"\x1b\[(?P<colour>[0-9;:]*)m"
    r"|\x1b\[[0-?]*[ -/]*(?:[@-~]|$)"
    r"|\x1b[\]PX^_][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]?"
    r"|(?P<letter>.)",
    re.DOTALL,
)


def slow_html(line: bytes, style: Style) -> tuple[str, Style]:
    """The HTML of a line, and the style after it."""
    shown = ""
    for segment in line.decode("utf-8", "replace").split("\r"):
        html, style = slow_segment(segment, style)
        shown = html or shown
    return shown, style


def slow_segment(segment: str, style: Style) -> tuple[str, Style]:
    """The HTML of what stands between two carriage returns."""
    html, text, back = "", "", 0
    for token in TOKEN.finditer(segment):
        if token["colour"] is not None:
            html, text, back = html + span(text, style), "", 0
            style = change(style, token["colour"])
        elif token["letter"] == "\b":
            back = min(back + 1, len(text))
        elif letter := visible(token["letter"] or ""):
            text, back = text[: len(text) - back] + letter, 0
    return html + span(text, style), style


def visible(letter: str) -> str:
    """What is seen of a letter."""
    if letter in ("", "\t") or letter in "\a\x0e\x0f":
        return letter.strip("\a\x0e\x0f")
    if letter < " ":
        return chr(0x2400 + ord(letter))
    if letter == "\x7f":
        return "\u2421"
    hidden = "\x80" <= letter <= "\x9f" or letter in "\u202a\u202b\u202c\u202d\u202e"
    return "\ufffd" if hidden or "\u2066" <= letter <= "\u2069" else letter


def span(text: str, style: Style) -> str:
    """Text in a style."""
    safe = escape(text, quote=False)
    return f'<span class="{style.classes}">{safe}</span>' if text and style.classes else safe


@given(LINES, st.sampled_from([PLAIN, Style(colour=2), Style(bold=True, inverse=True)]))
def test_the_quick_way_comes_to_the_same(line: bytes, style: Style) -> None:
    """Carriage returns, backspaces, colours, control characters, and broken pieces of all."""
    assert line_html(line, style) == slow_html(line, style)


@given(LINES)
def test_the_style_after_some_output_needs_no_rows(output: bytes) -> None:
    """It is found without making anything of the rest."""
    start = Style(colour=5, bold=True)
    assert style_after(output, start) == slow_html(output, start)[1]
