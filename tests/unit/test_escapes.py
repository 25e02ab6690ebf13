"""Escape sequences go, the text stays, wherever the output is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ci.escapes import Stripper, plain_text, strip, strip_for_terminal

PARTS = [
    b"\x1b", b"[", b"]", b"31", b";", b"m", b"\x07", b"\\", b"8;;http://a.b", b"K", b"(B", b"\n",
    b"text", "é".encode(), b"\xc2", b"\x9b", b"\x05",
    b"\r", b"\x1b[31m", b"\x1b]0;title\x07", b"x" * 1999,
]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "plain"),
    [
        (b"\x1b[1;31merror\x1b[0m: x\n", b"error: x\n"),
        (b"\x1b]8;;http://a.b\x1b\\link\x1b]8;;\x1b\\", b"link"),
        (b"\x1b]0;title\x07text", b"text"),
        (b"50%\r\x1b[2K100%\n", b"50%\r100%\n"),
        (b"\x1b(Bplain\x1b7\x1b=", b"plain"),
        (b"\x1b]never ended\ntext", b"never ended\ntext"),
        (b"\x1b\n\x1b", b"\n"),
    ],
)
def test_text_stays_and_sequences_go(output: bytes, plain: bytes) -> None:
    """Colours, links, titles; what only looks like the beginning of one hides no line."""
    assert strip(output) == plain


@pytest.mark.parametrize(
    ("output", "plain", "coloured"),
    [
        (b"\x1b[1;38:5:9mred\x1b[0m", b"red", b"\x1b[1;38:5:9mred\x1b[0m"),
        (b"\x1b]52;c;cm0gLXJm\x07x\x1b[6n\x1b[c\x1bP$q\x1b\\", b"x", b"x"),
        (b"50%\r\x1b[2K100%\b\b\t\n", b"50%\r100%\b\b\t\n", b"50%\r100%\b\b\t\n"),
        (b"\x07\x05\x0e\x00\x7f\x0cx", b"x", b"x"),
        (
            "\x9b2J\x9d0;t\x9cé€".encode(),
            "\ufffd2J\ufffd0;t\ufffdé€".encode(),
            "\ufffd2J\ufffd0;t\ufffdé€".encode(),
        ),
        (b"\x1b[>4;2m\x1b[?5mx", b"x", b"x"),
    ],
)
def test_a_terminal_is_told_colours_and_nothing_else(
    output: bytes, plain: bytes, coloured: bytes
) -> None:
    """It could be told to change its title, fill the clipboard, or type an answer by itself."""
    assert strip_for_terminal(output, colours=False) == plain
    assert strip_for_terminal(output, colours=True) == coloured


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Fix it\n\tnow", "Fix it\n\tnow"),
        ("\x1b]0;title\x07\x1b[31mred\x1b[0m", "red"),
        ("a\x9b1mb\x00\x08\r\u202ec\u2067\u2028", "a 1mb    c  "),
        ("👩\u200d💻 é", "👩\u200d💻 é"),
        ("\ud800", "\ud800"),
        ("\ud800\x00", "? "),
    ],
)
def test_a_text_of_others_speaks_to_people_alone(text: str, plain: str) -> None:
    """Subjects of commits, authors, what a git server says."""
    assert plain_text(text) == plain


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=25), st.booleans())
@example([b"\xc2\xc2\x9b\x9b2J"], True)
@example([b"\xc2\x1b[2J\x9b2J"], True)
@example([b"\xc2\x07\x9b2J"], False)
@example([b"\x1b\x1b[2J[2J", b"\x1b[3\x071m"], True)
def test_nothing_is_put_together_by_taking_away(parts: list[bytes], colours: bool) -> None:
    """What is left has colours alone, however it was nested."""
    left = strip_for_terminal(b"".join(parts), colours=colours)
    plain = re.sub(rb"\x1b\[[0-9;:]*m", b"", left) if colours else left
    spoken = set(plain.decode(errors="replace"))
    assert not spoken & {chr(code) for code in (*range(32), *range(0x7F, 0xA0))} - set("\b\t\n\r")


@given(st.lists(st.sampled_from(PARTS), max_size=25), st.lists(st.integers(1, 60)), st.booleans())
def test_pieces_give_the_same_as_the_whole(
    parts: list[bytes], cuts: list[int], colours: bool
) -> None:
    """But for a sequence that is only begun at the end: nothing of it is shown."""
    output = b"".join(parts)
    stripper, plain, position = Stripper(colours=colours), b"", 0
    for cut in [*cuts, len(output)]:
        plain += stripper.strip(output[position : position + cut])
        position += cut
    end = strip_for_terminal(stripper.rest, colours=colours)
    assert plain + end == strip_for_terminal(output, colours=colours)
    assert output.count(b"\n") == plain.count(b"\n")
