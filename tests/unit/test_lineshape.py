"""Lines that differ only by what differs each time have one shape; others have not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci import lineshape
from ci.lineshape import Shapes

SAME = [
    (b"compiled in 0.98s", b"compiled in 980 ms"),
    (b"took 59 s", b"took 1 min 3 s"),
    (b"[  5%] Building main.o", b"[100%]  Building main.o"),
    (b"2026-11-21T14:03:22.250Z started", b"2027-01-01T00:00:00.000Z started"),
    (b"Sat Nov 21 14:03:22 UTC 2026 started", b"Fri Jan  1 00:00:00 UTC 2027 started"),
    (b"21/Nov/2026:14:03:22 +0100 ok", b"01/Dec/2026:04:03:22 +0000 ok"),
    (b"HEAD is now at bb0cc63", b"HEAD is now at 1234567"),
    (b"id 550e8400-e29b-41d4-a716-446655440000", b"id 00000000-aaaa-41d4-abcd-446655440000"),
    (b"object at 0x7f3a12bc", b"object at 0x55"),
    (b"listening on 127.0.0.1:40123", b"listening on 10.0.0.7:80"),
    (b"from fe80::1ff:fe23:4567:890a", b"from fe80::2"),
    (b"in /tmp/tmpab_x1/data", b"in /tmp/pytest-of-ci/data"),
    (b"/srv/a/data/work/12.1.1/src/main.c:12:5", b"/home/b/work/4711.1.3/src/main.c:7:55"),
    (b"pod-x7f9k is up", b"pod-b2c4d is up"),
    (b"12.3 MB at 1.2 MB/s [====>    ]", b"900 kB at 12 kB/s [=======> ]"),
    (b"\xe2\xa0\x8b loading \xe2\x94\x81\xe2\x94\x81", b"\xe2\xa0\x99 loading \xe2\x94\x81"),
    (b"[gw3] PASSED test_a.py", b"[gw11] PASSED test_a.py"),
    (b"12 passed", b"13 passed"),
    (b"GET /a 200 12ms", b"GET /a 200 13ms"),
    (b"GET /users/7 404 1 ms", b"GET /users/123 404 12 ms"),
    (b"GET /a 120 ms", b"GET /a 130 ms"),
    (b"GET /a 512 bytes", b"GET /a 513 bytes"),
    (b"\tindented  line ", b" indented line"),
]
OTHER = [
    (b"0 failed, 12 passed", b"3 failed, 9 passed"),
    (b"Tests run: 9, Failures: 0", b"Tests run: 9, Failures: 1"),
    (b"make: *** [all] Error 1", b"make: *** [all] Error 2"),
    (b"worker 3 exited with 0", b"worker 3 exited with 139"),
    (b"errno 0", b"errno 13"),
    (b"rc=0", b"rc=2"),
    (b"exit_code=0", b"exit_code=3"),
    (b"HTTP 200", b"HTTP 500"),
    (b"it responded 200", b"it responded 500"),
    (b"GET /api/x -> 200", b"GET /api/x -> 500"),
    (b"found 0 vulnerabilities", b"found 3 vulnerabilities"),
    (b"exited with status 0", b"exited with status 137"),
    (b"ok=3 unreachable=0 failed=0", b"ok=3 unreachable=0 failed=1"),
    (b"GET 200 https://example.org/x", b"GET 404 https://example.org/x"),
    (b'"GET / HTTP/1.1" 200 12', b'"GET / HTTP/1.1" 500 12'),
    (b"GET /a 200 12ms", b"GET /a 500 12ms"),
    (b"[10:00:01] POST /users/7 201 - 3 ms", b"[10:00:02] POST /users/8 422 - 4 ms"),
    (b'"DELETE https://example.org/a?b=1" 200', b'"DELETE https://example.org/a?b=1" 503'),
    (b"GET /a HTTP/1.1 200 OK", b"GET /a HTTP/1.1 404 Not Found"),
    (b"Downloading requests-2.31.0.tar.gz", b"Downloading requests-2.32.0.tar.gz"),
    (b"ok - adds", b"not ok - adds"),
    (b"test_a PASSED", b"test_a FAILED"),
    (b"tests/a.py ........", b"tests/a.py ...F...."),
]
PIECES = [
    b"0", b"12", b"3 failed", b"errors: 4", b"1.2.3", b".", b"/", b":", b"-", b" ", b"  ", b"ms",
    b"MB", b"Nov", b"Sat", b"UTC", b"#", b"==", b"===", b"a", b"deadbeef", b"x7f9", b"/tmp/", b"_",
    b"/work/1.2.3", b"[", b"]", b"(", b"\xe2\x94\x81", b"\xff", b"exit code ", b"GET 200", b"\t",
    b"0x", b",", b'HTTP/1.1" ', b"GET /a ", b"GET /0/000 ",
]  # fmt: skip
LINES = st.lists(st.sampled_from(PIECES), max_size=9).map(b"".join) | st.binary(max_size=30).map(
    lambda line: line.replace(b"\n", b"")
)


def shape(line: bytes) -> bytes:
    """The shape of one line."""
    return Shapes().of([line])[0]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_differs_each_time_is_taken_out(one: bytes, other: bytes) -> None:
    """Times, durations, hashes, addresses, temporary and own folders, numbers, bars."""
    assert shape(one) == shape(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_numbers_that_are_words_stay(one: bytes, other: bytes) -> None:
    """How often it failed, how it exited, what was answered, of which version something is."""
    assert shape(one) != shape(other)


@given(LINES)
def test_the_shape_of_a_shape_is_that_shape(line: bytes) -> None:
    """What was taken out leaves nothing behind that would be taken out the next time."""
    assert shape(shape(line)) == shape(line)


@given(st.lists(LINES), st.sampled_from([0, 20, lineshape.KNOWN_BYTES]))
def test_what_is_remembered_changes_nothing(lines: list[bytes], room: int) -> None:
    """Whatever lines were seen before, in whatever order, and however much is forgotten."""
    shapes = Shapes(room)
    assert shapes.of(lines) + shapes.of(lines[::-1]) == [shape(x) for x in lines + lines[::-1]]


def test_a_hostile_line_takes_no_longer_than_another() -> None:
    """Its length decides: no pattern tries a long word again from each of its letters."""
    for piece in (b"/a", b"/work/1", b"0a", b"-", b"a:", b"=", b"1.", b"Mon, ", b"1, ", b"#,"):
        assert shape(piece * 1000)
