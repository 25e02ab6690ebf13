"""Lines that look like an error, by the words of compilers, test runners, shells and build tools.

A guess that is right for most logs: a list of patterns that people can read, and of lines that
speak of errors without being one. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# A line without any of these, in small letters, is none. To look for plain text is many times
# quicker than to match patterns, and a log of 500 MB has few such lines.
_HINTS: Final = (
    b"error", b"err!", b"exception", b"fail", b"fatal", b"panic", b"traceback", b"\ne   ",
    b"*** ", b"not ok", b"not found", b"segmentation", b"core dumped", b"killed",
)  # fmt: skip

_ERROR: Final = re.compile(
    rb"(?:fatal |\b)[Ee](?:rror|RROR)(?:\[\w+\]| \w{1,10}\d+)?:"  # gcc, rustc, tsc, most others
    rb"|\bERROR\b"  # Maven, Gradle, pytest
    rb"|^[\w.]*(?:Error|Exception)(?::|$)"  # what ends a traceback of Python, Java, JavaScript
    rb"|^E   "  # pytest
    rb"|^Traceback \(most recent call last\)"
    rb"|\bFAILED\b|^\s*(?:--- )?FAIL\b"  # pytest, GoogleTest, unittest, Go, Jest
    rb"|^not ok\b(?!.*# (?i:todo|skip))"  # TAP
    rb"|\b[Ff](?:atal|ATAL):"  # git
    rb"|^panic:|\bpanicked at\b"  # Go, Rust
    rb"|make(?:\[\d+\])?: \*\*\* "
    rb"|\bnpm ERR!|^npm error\b"
    rb"|##\[error\]|^::error"  # what actions of other systems print
    rb"|: (?:command )?not found$"  # the shell
    rb"|\bSegmentation fault\b|\(core dumped\)|^Killed$"
)
_NO_ERROR: Final = re.compile(
    rb"\b(?:0|[Nn]o) (?:errors?|ERRORS?|failures?|failed|FAILED)\b|\berrors?[:=] ?0\b"
    rb"|\b(?:PASSED|XFAIL)\b|\.\.\. ok$"
    rb"|^\++ "  # the shell says what it is about to run (`set -x`)
)


def is_error(line: bytes) -> bool:
    """Whether a line, without escape sequences and its end, looks like an error."""
    return _ERROR.search(line) is not None and _NO_ERROR.search(line) is None


def find_errors(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each line of `data`, whole lines, that looks like an error."""
    small = b"\n" + data.lower()  # each place in it is one behind that in `data`
    hints = {hint: small.find(hint) for hint in _HINTS}
    position = 0  # in `data`: a line begins here
    while found := [(place, hint) for hint, place in hints.items() if place >= 0]:
        place, hint = min(found)
        begin = data.rfind(b"\n", position, place - (not hint.startswith(b"\n"))) + 1 or position
        end = data.find(b"\n", begin)
        end = len(data) if end < 0 else end
        if is_error(data[begin:end].rstrip(b"\r")):
            yield begin, end
        position = end + 1
        for stale in [hint for hint, place in hints.items() if 0 <= place < position]:
            hints[stale] = small.find(stale, position)
