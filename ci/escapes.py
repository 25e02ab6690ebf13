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
_NO_COLOUR: Final = re.compile(rb"(?!\x1b\[[0-9;:]*m)(?:" + _SEQUENCE.pattern + rb")")
# The bell, a question that the terminal answers into its own input, other character sets; what has
# one column to itself, or moves within the line, stays. In UTF-8 there are 32 more such characters.
_CONTROLS: Final = bytes({*range(32), 0x7F} - {*b"\b\t\n\r\x1b"})
_MORE_BEGIN: Final = b"\xc2"
# Also what could become one when that which stands in between is taken away.
_MORE_CONTROLS: Final = re.compile(rb"\xc2(?:[\x80-\x9f]|(?![\xa0-\xbf]))")
_IN_ITS_PLACE: Final = "\N{REPLACEMENT CHARACTER}".encode()
# What a terminal obeys, and what turns the order of a text around; not tabs and line ends.
_SPEAKING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_LONGEST: Final = 2010  # bytes of a sequence that we know
# What may become a sequence when more bytes come.
_BEGUN: Final = re.compile(
    rb"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\n]{0,2000}\x1b?|[ -/]*)|\xc2)\Z"
)


def strip(data: bytes) -> bytes:
    """Take all escape sequences away; line ends stay. One that is cut off at the end goes, too."""
    return _SEQUENCE.sub(b"", data) if _ESCAPE in data else data


def plain_text(text: str) -> str:
    """Return a text of others as one may show it anywhere: to a page, a feed, a terminal."""
    if _SPEAKING.search(text) is None:
        return text
    return _SPEAKING.sub(" ", strip(text.encode("utf-8", "replace")).decode())


def escaped(text: str) -> str:
    """Return JSON that a terminal may show: what it would obey is written as in a program."""
    return _SPEAKING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def strip_for_terminal(data: bytes, *, colours: bool) -> bytes:
    """Take away all that a terminal would obey, but for line ends, tabs, and colours if wanted.

    Sequences set its title and its clipboard, draw over what was there, or let it answer.
    """
    if _MORE_BEGIN in data:
        data = _MORE_CONTROLS.sub(_IN_ITS_PLACE, data)
    if _ESCAPE in data:
        data = (_NO_COLOUR if colours else _SEQUENCE).sub(b"", data)
    return data.translate(None, _CONTROLS)


class Stripper:
    """Does so to output that comes piece by piece, cut anywhere."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours
        self.rest = b""  # may be the beginning of a sequence

    def strip(self, data: bytes) -> bytes:
        """Return what is plain of all that has come, and was not returned yet."""
        data = self.rest + data
        begun = _BEGUN.search(data, max(0, len(data) - _LONGEST))
        end = begun.start() if begun else len(data)
        self.rest = data[end:]
        return strip_for_terminal(data[:end], colours=self._colours)
