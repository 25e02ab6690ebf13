"""Errors are found by the words of those who print them, and talk about errors is not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.errorlines import find_errors

ERRORS = """\
main.c:12:5: error: expected ';' before 'return'
error[E0308]: mismatched types
src/app.ts(3,7): error TS2322: Type 'string' is not assignable to type 'number'.
ERROR: could not open file
Error: Cannot find module 'left-pad'
ValueError: invalid literal for int() with base 10: 'x'
java.lang.NullPointerException: Cannot invoke "Object.toString()"
AssertionError
E       assert 1 == 2
Traceback (most recent call last):
FAILED tests/test_money.py::test_sum - assert 3 == 4
[  FAILED  ] Money.Sum (0 ms)
FAILED (failures=1)
BUILD FAILED in 3s
--- FAIL: TestSum (0.00s)
FAIL\tgithub.com/somebody/money\t0.004s
 FAIL  src/sum.test.js
not ok 3 - adds up
fatal: not a git repository (or any of the parent directories): .git
main.c:1:10: fatal error: money.h: No such file or directory
panic: runtime error: index out of range [3] with length 3
thread 'main' panicked at src/main.rs:4:5:
make: *** [Makefile:3: all] Error 1
make[2]: *** [sub] Error 2
npm ERR! code ELIFECYCLE
npm error Missing script: "buidl"
[ERROR] COMPILATION ERROR :
##[error]Process completed with exit code 1.
::error file=app.js,line=1::Missing semicolon
sh: 1: buidl: not found
bash: buidl: command not found
Segmentation fault (core dumped)
Killed
2026-11-21 14:03:22 ERROR worker died
""".splitlines()
FINE = """\
0 errors, 3 warnings
Finished with no errors.
Tests: 12, errors: 0, failures: 0
===== 12 passed, 0 failed in 0.12s =====
compiling error.c
an error may occur here
gcc -Wall -Werror -c error.c -o error.o
test_error_is_told (test_money.Test) ... ok
tests/test_error.py::test_Error: PASSED
+ echo 'error: this is only printed'
not ok 4 - windows only # SKIP not on this system
fail2ban is running
errors.py copied
Building Exceptions module
""".splitlines()


@pytest.mark.parametrize("line", ERRORS)
def test_what_programs_print_when_they_fail_looks_like_an_error(line: str) -> None:
    """One example of each, as it is printed."""
    assert find_in(line.encode()) == [line.encode()]


@pytest.mark.parametrize("line", FINE)
def test_talk_about_errors_is_none(line: str) -> None:
    """Counts of none, names of files, what the shell is about to do."""
    assert find_in(line.encode()) == []


@given(
    st.lists(st.sampled_from([*ERRORS, *FINE, "", "error", "É: error: ü", "x" * 50])),
    st.sampled_from(["\n", "\r\n"]),
)
def test_each_line_is_judged_by_itself(lines: list[str], line_end: str) -> None:
    """Wherever it stands, whatever stands before and after it, and however lines end."""
    text = line_end.join(lines).encode()
    alone = [line for line in text.split(b"\n") if find_in(line)]
    assert find_in(text) == alone


@given(st.binary(max_size=200))
def test_any_bytes_can_be_looked_through(data: bytes) -> None:
    """A command may print what is no text."""
    assert all(b"\n" not in line for line in find_in(data + b"\nerror: x\n" + data))
    assert b"error: x" in find_in(data + b"\nerror: x\n" + data)


def find_in(data: bytes) -> list[bytes]:
    """Return the lines that were found."""
    return [data[begin:end] for begin, end in find_errors(data)]
