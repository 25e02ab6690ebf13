"""The lines of a log that comes in pieces, and what one reads of them. Pure."""

from __future__ import annotations

from typing import Final

from ci import escapes

_BACKSPACE: Final = "\b"
_UNSEEN: Final = b"\a\b\x0e\x0f\r"  # at a line's end: bell, backspace, shifts, begun again
MAX_LINE_BYTES: Final = 2000  # of a line that count; a file of one endless line is no line


class Cutter:
    """Cuts a log that comes piece by piece into lines, of which no more than the beginning."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now, as they were printed."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = _shortened(rest)
        return [line if len(line) <= MAX_LINE_BYTES else _shortened(line) for line in lines]

    def end(self) -> list[bytes]:
        """Return the last line, if it has no end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def plain(lines: list[bytes]) -> list[bytes]:
    """Make of lines what one reads: without escape sequences, and as they stood at last."""
    whole = escapes.strip(b"\n".join(lines))
    made = whole.split(b"\n") if lines else []
    if b"\r" in whole:
        return [line.rstrip(b"\r \t").rpartition(b"\r")[2] for line in made]
    return made


def seen(text: bytes) -> bytes:
    """Return what a page shows of lines without escape sequences: what was written over is gone.

    There are as many lines as before.
    """
    text = text.replace(b"\r\n", b"\n")
    if b"\r" not in text and b"\b" not in text:
        return text
    return b"\n".join(map(_at_last, text.split(b"\n")))


def _at_last(line: bytes) -> bytes:
    line = line.rstrip(_UNSEEN).rpartition(b"\r")[2]
    if b"\b" not in line:
        return line
    return erased(line.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def erased(text: str) -> str:
    """Do what backspaces say."""
    first, *more = text.split(_BACKSPACE)
    letters, back = list(first), 0
    for new in more:
        back = min(back + 1, len(letters))
        if new:
            # As a spinner does: what is not written over stays.
            letters[len(letters) - back :] = new
            back = 0
    return "".join(letters)


def _shortened(line: bytes) -> bytes:
    """Leave out what is too long, and what a terminal would have written over by then."""
    if len(line) <= MAX_LINE_BYTES:
        return line
    return line[line.rstrip(b"\r").rfind(b"\r") + 1 :][:MAX_LINE_BYTES]
