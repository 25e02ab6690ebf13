"""Escape sequences of terminals in output: colours, titles, links, the cursor. Pure."""

from __future__ import annotations

import re
from typing import Final

# ECMA-48: control sequences; strings such as titles and links (OSC 8), with their end; the rest.
_SEQUENCE: Final = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"
    rb"|\x1b[\]PX^_][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\)"
    rb"|\x1b[ -/]*[0-~]?"
)
_ESCAPE: Final = b"\x1b"
_LONGEST: Final = 2010  # bytes of a sequence that we know
# What may become a sequence when more bytes come.
_BEGUN: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\n]{0,2000}\x1b?|[ -/]*)\Z")


def strip(data: bytes) -> bytes:
    """Take all escape sequences away; line ends stay. One that is cut off at the end goes, too."""
    return _SEQUENCE.sub(b"", data) if _ESCAPE in data else data


class Stripper:
    """Takes escape sequences out of output that comes piece by piece, cut anywhere."""

    def __init__(self) -> None:
        self.rest = b""  # may be the beginning of a sequence

    def strip(self, data: bytes) -> bytes:
        """Return what is plain of all that has come, and was not returned yet."""
        data = self.rest + data
        begun = _BEGUN.search(data, max(0, len(data) - _LONGEST))
        end = begun.start() if begun else len(data)
        self.rest = data[end:]
        return strip(data[:end])
