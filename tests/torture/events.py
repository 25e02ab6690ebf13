"""Reads the log lines of server and agents back: `time level words key=value …`."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from typing import Final

from tests.torture.evidence import Event

_LINE: Final = re.compile(r"\d{4}-\S+ +(?P<level>[a-z]+) +(?P<rest>.*)")
_VALUE: Final = re.compile(r"""(?:^| )(\w+)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S*)""")
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
_TRACEBACK: Final = "Traceback (most recent call last):"
_SHOWN: Final = 5  # lines of a traceback


def read_events(text: str) -> Iterator[Event]:
    """Find the events in the text of a log; what is no event, such as a traceback, is left out."""
    for line in text.splitlines():
        if match := _LINE.match(line):
            rest = match["rest"]
            found = _VALUE.search(rest)
            name = rest[: found.start()] if found else rest
            values = {key: _plain(value) for key, value in _VALUE.findall(rest[len(name) :])}
            yield Event(name.strip(), values)


def problems(program: str, text: str) -> Iterator[str]:
    """Find what no log should have: tracebacks. Of each the line before it, and its end."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if line == _TRACEBACK:
            rest = itertools.takewhile(lambda one: not _STAMP.match(one), lines[index + 1 :])
            yield f"{program} logged: {' / '.join([lines[index - 1], *list(rest)[-_SHOWN:]])}"


def _plain(value: str) -> str:
    return str(ast.literal_eval(value)) if value[:1] in ("'", '"') else value
