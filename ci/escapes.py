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


def strip(data: bytes) -> bytes:
    """Take all escape sequences away; line ends stay. One that is cut off at the end goes, too."""
    return _SEQUENCE.sub(b"", data) if _ESCAPE in data else data
