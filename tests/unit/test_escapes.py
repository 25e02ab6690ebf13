"""Escape sequences go, the text stays, wherever the output is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.escapes import Stripper, strip

PARTS = [
    b"\x1b", b"[", b"]", b"31", b";", b"m", b"\x07", b"\\", b"8;;http://a.b", b"K", b"(B", b"\n",
    b"text", "é".encode(), b"\r", b"\x1b[31m", b"\x1b]0;title\x07", b"x" * 1999,
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


@given(st.lists(st.sampled_from(PARTS), max_size=25), st.lists(st.integers(1, 60)))
def test_pieces_give_the_same_as_the_whole(parts: list[bytes], cuts: list[int]) -> None:
    """But for a sequence that is only begun at the end: nothing of it is shown."""
    output = b"".join(parts)
    stripper, plain, position = Stripper(), b"", 0
    for cut in [*cuts, len(output)]:
        plain += stripper.strip(output[position : position + cut])
        position += cut
    assert plain + strip(stripper.rest) == strip(output)
    assert output.count(b"\n") == plain.count(b"\n")
