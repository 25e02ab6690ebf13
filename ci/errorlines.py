"""Lines that look like an error, by the words of compilers, test runners, shells and build tools.

A guess that is right for most logs: a list of patterns that people can read, and of lines that
speak of errors without being one. Pure.

RE2 looks for all patterns at once: five times as quick as plain text is looked for in Python, with
no log that makes it slow, and other threads run meanwhile. In a log of 500 MB that counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import re2

# What programs put before a line that another one has printed.
_PREFIX: Final = (
    rb"(?:[ \t]*(?:"
    rb"(?:[\w./@-]+[ \t]*)?\|"  # `web_1  |` of docker compose
    rb"|\[[^\]\[ \t\n][^\]\n]*\]:?"  # `[13:41:59]`, but not `[ RUN   ]` of GoogleTest
    rb"|(?:#?\d[\d.,:/TZ+-]*|\d\d[OE]\+?|[AP]M|UTC|stdout|stderr|[FP])[ \t]"  # dates, `#9 0.5`
    rb"|[A-Z][a-z][a-z] [ \d]\d [\d:]+ [\w.-]+[ \t]"  # syslog: day and host
    rb"|(?i:trace|debug|info|notice|warn|warning|error|critical|fatal|severe):?[ \t]"
    rb"|[\w./@:-]+(?:\[\d+\])?:[ \t]"  # `web:build:`, `app[123]:`
    rb"|\([\w: ]+\)[ \t]"  # `(node:123)`
    rb"))*[ \t]*"
)
_PATTERNS: Final = (
    rb"(?m)(?:fatal |\b)[Ee](?:rror|RROR)(?:\[\w+\]| \w{1,10}\d+)?:"  # gcc, rustc, tsc, most others
    rb"|\bERROR\b|\[error\]"  # Maven, Gradle, pytest; sbt, actions of other systems
    # Ends a traceback of Python, Java, JavaScript; Ruby and Elixir put the name in brackets.
    rb"|^[ \t|]*[\w.:]*(?:Error|Exception)\r*$"
    rb"|^" + _PREFIX + rb"(?:[\w.:]*(?:Error|Exception)(?: \[\w+\])?:"
    rb"|(?:[a-z]\w*\.)+\w*(?:Error|Exception)\r*$"
    rb"|Caused by:|Exception in thread |Traceback \(most recent call last\)|panic:)"  # Java, Go
    rb"|\b[Uu]nhandled [Ee]xception\b"  # .NET
    rb"|\([\w:]+Error\)\r*$|(?:^|[: ])\*\* \([\w.]+Error\)"
    rb"|\bAssertionError\b|\bUncaught (?:[\w.]*Error|exception)\b"
    rb"|^E   "  # pytest
    rb"|\bFAILED\b|^[ \t\r\f]*(?:--- )?FAIL\b|[.:] FAIL\r*$"  # pytest, unittest, Go, Jest
    rb"|\[FAIL\]|^[ \t]*Failed: [^\s0]|^[ \t]+Failed [A-Za-z_]|^[ \t]*Tests? failed\b"  # dotnet
    rb"|^Failed asserting\b|^FAILURES!|^FAILURE: |^\* What went wrong:"  # PHPUnit, Gradle
    rb"|^[ \t]*[1-9]\d* failing\b|^[ \t]+\d+\) test |^[ \t]*Failure/Error:"  # Mocha, ExUnit, RSpec
    rb"|^\d+ (?:(?:doc)?tests?|examples?)\b.* [1-9]\d* (?:failures?|errors?)\b"
    rb"|:\d+: Failure\r*$"  # GoogleTest
    rb"|\*\*\*(?:Failed|Exception|Timeout)\b"  # ctest
    rb"|^[ \t]*not ok\b"  # TAP
    rb"|^[ \t]*(?:\xe2\x9c[\x95-\x98]|\xc3\x97) "  # crosses: Jest, Mocha, Vitest, bats
    rb"|^[ \t]*\xe2\x97\x8f .*(?: \xe2\x80\xba | failed )"  # Jest's bullet, and not of its console
    rb"|\b[Ff](?:atal|ATAL):"  # git
    rb"|\bpanicked at\b"  # Rust
    rb"|make(?:\[\d+\])?: \*\*\* "
    rb"|\bnpm ERR!|^npm error\b|\bELIFECYCLE\b|^error Command failed\b"  # pnpm, yarn
    rb"|^::error"  # what actions of other systems print
    rb"|\bundefined reference to\b|\bld: cannot find\b|\bsymbol\(s\) not found\b"  # linkers
    rb"|^CMake Error\b|^ninja: build stopped|\bBUILD FAILURE\b|^Execution failed for task\b"
    rb"|^[^ :\n]+\.go:\d+:\d+: "  # Go's compiler
    rb"|^[^ :\n]+:\d+:\d+: [A-Z]{1,4}\d{2,5}:? "  # flake8, ruff, pylint
    rb"|^[ \t]+\d+:\d+[ \t]+error[ \t]|^[Ww]ould reformat\b"  # ESLint; black, ruff
    rb"|^e: \S|\bModule not found:|^Can't locate \S+ in @INC|^rake aborted!"
    rb"|^Found [1-9]\d* errors?\b"  # ruff, mypy, tsc
    rb"|^E: |\bcurl: \(\d+\) |\bError response from daemon\b"  # apt, Docker
    rb"|\breturned a non-zero code\b|\bdid not complete successfully\b"  # Docker
    rb"|\b[Cc]onnection refused\b|\bCould not resolve host\b"
    rb"|: (?:command )?not found\r*$|: command not found: "  # the shell
    rb"|: No such file or directory\r*$|\bPermission denied\b|\bNo space left on device\b"
    rb"|\b[Oo]ut of memory\b|\bAssertion (?:[`'\"(].*)?failed\b"
    rb"|\bSegmentation fault\b|\(core dumped\)|^Killed\r*$"
)
_NO_ERROR: Final = re.compile(  # it went well, whatever its name says
    rb"(?<!\d )\b(?:PASSED|XFAIL)\b|\.\.\. ok$"
    rb"|^\s*(?:ok|PASS)\b|^\s*(?:\xe2\x9c[\x93\x94]|\xe2\x88\x9a) "
    rb"|^\s*not ok\b.*# (?i:todo|skip)"  # TAP: it was known
    rb"|^\s*(?:Compiling|Building|Checking|Testing|Running|Copying|Installing) error\b"  # a name
    rb"|^\s*(?:-- )?(?i:checking|looking) (?:for|whether|if)\b(?!.*: error:)"  # configure, CMake
    rb"|^which: no "
    rb"|(?i:level)[\"']? ?[:=] ?[\"']?ERROR[\"',]*$"  # which lines are logged
    rb"|^\++ "  # the shell says what it is about to run (`set -x`)
)
# To count no errors is none, unless something else is counted beside them.
_NONE: Final = re.compile(
    rb"(?i:\b(?:0|no) (?:tests? )?(?:errors?|failures?|failed)\b"
    rb"|\b(?:errors?|failures?|failed)[:=] ?0\b)"
)
_SOME: Final = re.compile(
    rb"(?i:\b[1-9]\d* (?:errors?|failures?|failed)\b"
    rb"|\b(?:errors?|failures?|failed)[:=] ?[1-9])"
)
_TRACEBACK: Final = b"Traceback (most recent call last)"
MOST_TRACEBACK_LINES: Final = 4000  # Python shows a thousand frames, in four lines each
MOST_BETWEEN: Final = 20  # lines of other services between those of a traceback, or it was cut off
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_FRAME: Final = (
    rb"(?:at \S.*(?:[)>]|:(?:line )?\d+)|File \"[^\"\n]*\", line \d+.*|\.\.\. \d+ more"
    rb"|from \S+:\d+:in .*|\S+:\d+ \+0x[0-9a-f]+|goroutine \d+ \[.*)\r*"
)


def _options() -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # a byte is a byte, whatever it means
    options.never_capture = True
    return options


_ERROR: Final = re2.compile(_PATTERNS, _options())
_IS_FRAME: Final = re2.compile(_PREFIX + _FRAME, _options())


def find_errors(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each line that looks like an error.

    `data` is whole lines without escape sequences. Of a traceback it is the line that names the
    exception, if that is there as well.
    """
    position = 0  # a line begins here
    while match := _ERROR.search(data, position):
        begin = data.rfind(b"\n", position, match.start()) + 1 or position
        end = _line_end(data, match.start())
        if _TRACEBACK in data[begin:end]:
            begin, end = _exception(data, begin, end)
        if not _is_harmless(data[begin:end].rstrip(b"\r")):
            yield begin, end
        position = end + 1


def is_frame(line: bytes) -> bool:
    """Whether a line only says by which way a program came where it failed."""
    return _IS_FRAME.fullmatch(line) is not None


def _line_end(data: bytes, position: int) -> int:
    end = data.find(b"\n", position)
    return len(data) if end < 0 else end


def _exception(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """Find the line that ends the traceback which begins with this one: the next not indented.

    Where the first frame stands behind the same prefix as the beginning, numbers aside, so does
    all of it; lines without that prefix are others'.
    """
    prefix = data[begin : data.index(_TRACEBACK, begin)].translate(_DIGITS)
    if data[end + 1 : end + 1 + len(prefix)].translate(_DIGITS) != prefix:
        prefix = b""
    stop, between = end, 0
    for _ in range(MOST_TRACEBACK_LINES):
        start = stop + 1
        stop = _line_end(data, start)
        rest = start + len(prefix)
        if data[start:rest].translate(_DIGITS) != prefix:
            between += 1
            if between > MOST_BETWEEN:
                break
        elif not data.startswith((b" ", b"\t"), rest):
            is_end = start > end + 1 and data[rest:stop].strip()
            return (start, stop) if is_end else (begin, end)
    return begin, end


def _is_harmless(line: bytes) -> bool:
    """Whether a line speaks of errors without being one."""
    if _NONE.search(line) and not _SOME.search(line):
        return True
    return _NO_ERROR.search(line) is not None
