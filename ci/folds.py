r"""Sections of a log that can be folded: the lines by which commands say where one begins and ends.

| begins | ends | whose |
| --- | --- | --- |
| `::group::NAME`, `##[group]NAME` | `::endgroup::`, `##[endgroup]` | GitHub, Azure |
| `##[section]NAME` | | Azure: a heading |
| `--- NAME`, `~~~ NAME`; `+++ NAME` for one that is open | | Buildkite |
| `section_start:TIME:NAME`, `\r`, text | `section_end:TIME:NAME` | GitLab |

Each also ends where the next one begins: sections are not nested, as with the first and the third.
What begins with `--- ` in the output of `diff` and of Go's tests is none. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_FIRST_BYTES: Final = b":#-~+s\x1b"  # of a line that may say anything of the kind
_GROUP: Final = re.compile(rb"(?:::|##\[)(end)?group(?:::|\])(.*)")
_HEADING: Final = re.compile(rb"##\[section\](.*)")
_DASHES: Final = re.compile(rb"(---|~~~|\+\+\+) (\S.*)")
_NO_DASHES: Final = re.compile(
    rb"(?:---|\+\+\+) (?:[ab]/|/dev/null|.*\t\d|.* (?:---|\+\+\+)$)|--- (?:FAIL|PASS|SKIP|BENCH): "
)
_SECTION: Final = re.compile(
    rb"(?:\x1b\[0K)?(?:.*\x1b\[0K)?section_start:\d+:([\w.-]+)(?:\[[^\]]*\])?\r(?:\x1b\[0K)?(.*)"
)
_SECTION_END: Final = re.compile(rb"(?:\x1b\[0K)?section_end:\d+:[^\r]*\r?(.*)")


@dataclass(frozen=True, slots=True)
class Fold:
    """What a line says: that a section begins, with this heading, or that one ends (None)."""

    heading: bytes | None
    is_open: bool = False  # whether its command wants it to be seen
    rest: bytes = b""  # what is seen of a line that ends one: mostly nothing

    @property
    def text(self) -> bytes:
        """What is seen of the line."""
        return self.rest if self.heading is None else self.heading


def read_fold(line: bytes) -> Fold | None:
    """Read a line without its end; None for one that is plain output."""
    if line[:1] not in _FIRST_BYTES or not line:
        return None
    line = line.rstrip(b"\r")
    if group := _GROUP.match(line):
        return Fold(None, rest=group[2]) if group[1] else Fold(group[2] or b"group")
    if heading := _HEADING.match(line):
        return Fold(heading[1])
    if (dashes := _DASHES.match(line)) and not _NO_DASHES.match(line):
        return Fold(dashes[2], dashes[1] == b"+++")
    if section := _SECTION.match(line):
        return Fold(section[2] or section[1])
    if end := _SECTION_END.match(line):
        return Fold(None, rest=end[1])
    return None
