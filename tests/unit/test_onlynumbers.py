"""Lines that differ only in a number are found, and those that say most come first."""

from __future__ import annotations

import pytest

from ci.lineshape import Shapes
from ci.logpiece import read_piece
from ci.newlines import MAX_SHAPES
from ci.onlynumbers import MOST_KINDS, MOST_SHOWN, ChangedNumbers, KnownNumbers


def changes(red: list[bytes], green: list[bytes]) -> list[tuple[int, bytes, int]]:
    """Line, text, and the line of the green log that is like it."""
    shapes = Shapes()
    known = KnownNumbers()
    known.add(read_piece(shapes, 1, green))
    found = ChangedNumbers(known)
    found.add(read_piece(shapes, 1, red))
    assert found.kinds >= len(found.changes())
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
        (b"result: 0", b"result: \x1b[31m3\x1b[0m"),
        (b"got 200", b"got 503"),
        (b"mismatches: 0", b"mismatches: 4"),
        (b"2 critical", b"0 critical"),
        (b"collected 12 items", b"collected 0 items"),
        (b"Ran 9 tests", b"Ran 0 tests"),
        (b"node v20.1", b"node v22.1"),
        (b"image postgres:15", b"image postgres:16"),
        (b"gcc-13 used", b"gcc-14 used"),
        (b"on ubuntu-22.04", b"on ubuntu-24.04"),
        (b"links libssl.so.3", b"links libssl.so.1"),
        (b"leaks: 0 bytes", b"leaks: 512 bytes"),
        (b"latency p99 12 ms", b"latency p99 9000 ms"),
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
        (b"listening on localhost:40711", b"listening on localhost:40712"),
        (b"took 1 ms", b"took 80 ms"),
        (b"read 90 MB at 12 MB/s", b"read 91 MB at 100 MB/s"),
        (b"/tmp/a_1/b_2.log", b"/tmp/a_1/b_3.log"),
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
    red = [*(b"step %d" % n for n in range(2, 9)), *(b"%b is 2" % word for word in words)]
    shown = [text for _, text, _ in changes(red, green)]
    assert shown == red[-MOST_SHOWN:]


def test_what_only_counts_is_passed_over() -> None:
    """A line that comes with ever other numbers."""
    green = [*(b"step %d" % n for n in range(MOST_KINDS + 1)), b"got 0"]
    assert changes([b"step -1", b"got 1"], green) == [(2, b"got 1", MOST_KINDS + 2)]


def test_what_says_most_comes_first() -> None:
    """Something for nothing, versions, answers; then other numbers; then what took so long."""
    green = [b"slept 9 s", b"pid 1", b"got 200", b"cc-13 it", b"missing: 0"]
    red = [b"slept 99 s", b"pid 2", b"got 503", b"cc-14 it", b"missing: 1"]
    assert [line for line, _, _ in changes(red, green)] == [3, 4, 5, 2, 1]


def test_of_too_many_kinds_of_lines_nothing_is_said() -> None:
    """Memory is bounded."""
    words = [bytes(97 + n // 26**place % 26 for place in range(4)) for n in range(MAX_SHAPES + 1)]
    assert changes([b"got 1"], [b"got 0", *(b"%b is 1" % word for word in words)]) == []
