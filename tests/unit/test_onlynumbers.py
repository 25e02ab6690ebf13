"""Lines that differ only in a number are found, when nothing else tells two logs apart."""

from __future__ import annotations

import pytest

from ci.lineshape import Shapes
from ci.newlines import MAX_SHAPES
from ci.onlynumbers import MOST_KINDS, MOST_SHOWN, ChangedNumbers, KnownNumbers


def changes(red: list[bytes], green: list[bytes]) -> list[tuple[int, bytes, int]]:
    """Line, text, and the line of the green log that is like it."""
    shapes = Shapes()
    known = KnownNumbers(shapes)
    known.add(1, green)
    found = ChangedNumbers(known, shapes)
    found.add(1, red)
    return [(line.number, line.text, other) for line, other in found.changes()]


@pytest.mark.parametrize(
    ("green", "red"),
    [
        (b"coverage: 92%", b"coverage: 71%"),
        (b"disk 40% full", b"disk 100% full"),
        (b"expected 5 got 5", b"expected 5 got 7"),
        (b"Python 3.11", b"Python 3.12"),
        (b"using OpenSSL 1.1", b"using OpenSSL 3.0"),
        (b"0 warnings", b"3 warnings"),
        (b"rc=0", b"rc=\x1b[31m3\x1b[0m"),
    ],
)
def test_a_number_that_says_how_it_went_is_found(green: bytes, red: bytes) -> None:
    """With its colours, and the line that the green log has instead."""
    assert changes([b"begin", red], [green]) == [(2, red, 1)]


@pytest.mark.parametrize(
    ("green", "red"),
    [
        (b"done in 3 s", b"done in 4 s"),
        (b"took 0.98s", b"took 1.07s"),
        (b"2030-01-01 12:30:01 begin", b"2030-01-02 14:31:59 begin"),
        (b"got 31 MB", b"got 32 MB"),
        (b"listening on 127.0.0.1:4711", b"listening on 127.0.0.1:4712"),
        (b"case 1 of it", b"case 1 of it"),
        (b"other words 1", b"words 2"),
    ],
)
def test_times_and_sizes_are_passed_over(green: bytes, red: bytes) -> None:
    """They differ in each build."""
    assert changes([red], [green]) == []


def test_the_rarest_ones_are_shown_in_the_order_of_the_log() -> None:
    """What comes often with ever other numbers hides nothing."""
    words = [bytes([97 + n // 26, 97 + n % 26]) for n in range(MOST_SHOWN + 9)]
    green = [b"step 1", *(b"%b is 1" % word for word in words)]
    red = [*(b"step %d" % n for n in range(9)), *(b"%b is 2" % word for word in words)]
    shown = [text for _, text, _ in changes(red, green)]
    assert shown == red[-MOST_SHOWN:]


def test_what_only_counts_is_passed_over() -> None:
    """A line that comes with ever other numbers."""
    green = [*(b"step %d" % n for n in range(MOST_KINDS + 1)), b"rc=0"]
    assert changes([b"step -1", b"rc=1"], green) == [(2, b"rc=1", MOST_KINDS + 2)]


def test_of_too_many_kinds_of_lines_nothing_is_said() -> None:
    """Memory is bounded."""
    words = [bytes(97 + n // 26**place % 26 for place in range(4)) for n in range(MAX_SHAPES + 1)]
    assert changes([b"rc=1"], [b"rc=0", *(b"%b is 1" % word for word in words)]) == []
