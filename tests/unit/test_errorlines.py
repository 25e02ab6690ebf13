"""Errors are found by the words of those who print them, and talk about errors is not one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ci.errorlines import MOST_BETWEEN, find_errors, is_frame

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
time=2026-11-21T14:03:22Z level=ERROR msg="worker died"
main.c:(.text+0x9): undefined reference to `foo'
/usr/bin/ld: cannot find -lfoo: No such file or directory
CMake Error at CMakeLists.txt:3 (find_package):
ninja: build stopped: subcommand failed.
[INFO] BUILD FAILURE
bash: frob: No such file or directory
cat: /etc/shadow: Permission denied
Out of memory: Killed process 4711 (cc1plus) total-vm:8000000kB
cc1plus: out of memory allocating 65536 bytes
prog: main.c:4: main: Assertion `x' failed.
Assertion failed: (x), function main, file main.c, line 4.
Caused by: java.io.IOException: broken pipe
Exception in thread "main" java.lang.IllegalStateException: no
  AssertionError: 2 is not 3
TypeError [ERR_INVALID_ARG_TYPE]: The "path" argument must be of type string
app.rb:3:in `sum': no numbers (ArgumentError)
** (RuntimeError) no numbers
  ✕ adds up (3 ms)
  × adds up
 ✗ adds up
✘ adds up
✖ 3 problems (3 errors, 0 warnings)
  ● sum › adds up
  ● Test suite failed to run
1 FAILED, 3 PASSED
test_2 (test_money.Money.test_2) ... FAIL
3/7 Test #3: money ....................***Failed    0.01 sec
    not ok 2 - adds up
src/money.py:12:80: E501 line too long (93 > 79 characters)
src/money.py:1:8: F401 [*] `os` imported but unused
src/money.py:1:0: C0114: Missing module docstring (missing-module-docstring)
Found 3 errors.
[error] money.scala:3:7: type mismatch;
curl: (6) Could not resolve host: example.org
E: Unable to locate package frob
./main.go:5:2: undefined: money
 ELIFECYCLE  Command failed with exit code 1.
write error: No space left on device
[ERROR] Tests run: 3, Failures: 1, Errors: 0, Skipped: 0
FAILED (failures=1, errors=0)
Failed asserting that 2 is identical to 3.
FAILURES!
FAILURE: Build failed with an exception.
* What went wrong:
  1 failing
e: file:///src/Money.kt:3:7 Unresolved reference: sum
Uncaught TypeError: x is not a function
Module not found: Error: Can't resolve './money' in '/src'
Module not found: ./money
connect to 127.0.0.1 port 5432: Connection refused
wget: Could not resolve host: example.org
Can't locate Money/Sum.pm in @INC (you may need to install the Money::Sum module)
rake aborted!
mix: ** (CompileError) lib/money.ex:3: undefined function sum/1
** (Mix.Error) no such task
  1) test adds up (MoneyTest)
5 tests, 1 failure
2 doctests, 3 tests, 2 failures
3 examples, 1 failure
     Failure/Error: expect(sum).to eq 3
would reformat src/money.py
Would reformat: src/money.py
[FAIL] adds up
Failed: adds up
Test failed!
AssertionError in step 7
docker: Error response from daemon: pull access denied for money
The command '/bin/sh -c make' returned a non-zero code: 2
process "/bin/sh -c make" did not complete successfully: exit code: 2
zsh: command not found: frob
  Failed Money.Tests.Sum [12 ms]
  3:10  error  'sum' is not defined  no-undef
money.cc:3: Failure
checking for gtest... configure: error: no gtest
web_1  | TypeError: x is undefined
project-web-1 | java.lang.NullPointerException
[13:41:59] TypeError: x is undefined
[0] [web] RangeError: x
2026-01-01T10:00:01.1234567Z ReferenceError: x is not defined
2026-01-01T10:00:01.123456Z 01O ReferenceError: x is not defined
2026-01-01 10:00:01,123 WARN 4711 [main] java.io.IOException: broken pipe
1/2/2026 10:00:01 AM System.IO.IOException: no
Jan  1 10:00:01 host app[4711]: ValueError: bad
web:build: TypeError: x is undefined
#9 0.512 TypeError: x is undefined
(node:4711) UnhandledPromiseRejectionWarning: TypeError: x is undefined
Unhandled exception. System.NullReferenceException: Object reference not set
web_1  | panic: runtime error: index out of range [3] with length 3
web_1  | Caused by: java.io.IOException: broken pipe
2026-01-01 10:00:01 Exception in thread "main" java.lang.IllegalStateException: no
""".splitlines()  # noqa: RUF001 - programs print such signs
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
Passed: 10, FAILED: 0
FAILED: 0
ERROR: 0
ERROR=0
LOG_LEVEL: ERROR
log_level="ERROR"
ok 3 - reports ERROR on bad input
✓ throws Error: bad (2 ms)
  ✔ throws Error: bad
Compiling error: module
    not ok 4 - later # TODO not yet
  ● Console
● nginx.service - a web server
PASS: test ERROR path
Checking for error: none
checking for gtest: not found
which: no foo in PATH: not found
-- Looking for error: none
5 tests, 0 failures
0 tests failed
Tests: 3, Failed: 0
  0 failing
see TypeError: it is thrown when x is undefined
[10:00:01] it catches ValueError: that is fine
web_1  | what a TypeError: says
[ RUN      ] Money.ThrowsException
[INFO] Building FooException
10:00:01 ThrowsException
- TypeError: is thrown no more
""".splitlines()


@pytest.mark.parametrize("line", ERRORS)
def test_what_programs_print_when_they_fail_looks_like_an_error(line: str) -> None:
    """One example of each, as it is printed."""
    assert find_in(line.encode()) == [line.encode()]


@pytest.mark.parametrize("line", FINE)
def test_talk_about_errors_is_none(line: str) -> None:
    """Counts of none, names of files, what the shell is about to do."""
    assert find_in(line.encode()) == []


TRACEBACK = b"""\
Traceback (most recent call last):
  File "money.py", line 4, in <module>
    add(1)
    ~~~^^^
%b
bye
"""


@pytest.mark.parametrize(
    "line", [b"ValueError: 2 is not 3", b"subprocess.TimeoutExpired: 3 s", b"KeyboardInterrupt"]
)
def test_of_a_traceback_the_exception_is_told(line: bytes) -> None:
    """Its last line, whatever that is called: the first one says only that something went wrong."""
    assert find_in(TRACEBACK % line) == [line]


@pytest.mark.parametrize(
    "prefix", ["web_1  | ", "[13:41:%d] ", "2026-01-01 10:00:%d WARN ", "#9 0.%d ", "  ", "| "]
)
def test_a_traceback_stands_behind_a_prefix(prefix: str) -> None:
    """With the time of each line; and others print between its lines."""
    red = (TRACEBACK % b"pkg.TimedOut: 3 s").decode().splitlines()
    log = [prefix.replace("%d", str(50 + at)) + line for at, line in enumerate(red)]
    assert find_in("\n".join(log).encode()) == [log[4].encode()]
    others = ["db_1   | ready"] * MOST_BETWEEN
    assert find_in("\n".join([*log[:2], *others, *log[2:]]).encode()) == [log[4].encode()]
    cut_off = "\n".join([*log[:2], *others, others[0], *log[2:]])
    assert find_in(cut_off.encode()) == [log[0].encode()]


def test_a_traceback_without_its_prefix_is_one_as_well() -> None:
    """A logger has put it before the first line only."""
    red = b"2026-01-01 10:00:01 ERROR " + TRACEBACK % b"pkg.TimedOut: 3 s"
    assert find_in(red) == [b"pkg.TimedOut: 3 s"]


@pytest.mark.parametrize("lines", [1, 3])
def test_a_traceback_that_was_cut_off_is_an_error_as_well(lines: int) -> None:
    """Nobody knows the exception; so it is where it begins."""
    begin = b"\n".join(TRACEBACK.split(b"\n")[:lines])
    for end in (b"", b"\n", b"\n\n"):
        assert find_in(begin + end) == [b"Traceback (most recent call last):"]


@pytest.mark.parametrize(
    "line",
    [
        "    at foo (a.js:1:2)",
        "web_1  |     at async file:///a.js:9:2",
        "\tat com.example.Main.main(Main.java:4)",
        "\t... 12 more",
        "   at X.Y() in /src/X.cs:line 3",
        '  File "a.py", line 3, in run',
        "\tfrom a.rb:3:in `main'",
        "\t/src/main.go:7 +0x1d",
        "goroutine 1 [running]:",
    ],
)
def test_a_frame_of_a_stack_is_told_apart(line: str) -> None:
    """It says where, and not what."""
    assert is_frame(line.encode())
    assert not is_frame(b"no user is left at 10:00, says " + line.encode())


@given(
    st.lists(st.sampled_from([*ERRORS, *FINE, "", "error", "É: error: ü", "x" * 50])),
    st.sampled_from(["\n", "\r\n"]),
)
@example(["", "src/money.py:12:80: E501 line too long"], "\n")
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
