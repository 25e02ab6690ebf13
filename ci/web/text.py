"""Log bytes to safe HTML: colours, carriage returns, control characters. Pure.

A command writes for a terminal; the page shows what the terminal would have shown at last. What
only a terminal can do (moving the cursor, setting a title) is dropped. Nothing that a command
writes can become markup.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from html import escape
from typing import Final

from markupsafe import Markup

from ci.folds import Fold, read_fold
from ci.plainlines import erased
from ci.web.style import PLAIN, Style, change, open_tag, style_after

# Bytes of one row. A longer line is shown in several rows, so that a file of one endless line
# neither needs endless memory nor keeps the browser busy.
MAX_ROW_BYTES: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next row begins: a byte offset, its line's number, the style that holds there.

    `inside` says that the row goes on with a line whose beginning was a row of its own.
    """

    offset: int = 0
    line: int = 1
    style: Style = PLAIN
    inside: bool = False


NOTHING: Final = range(0)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the log as HTML, in the line of that number."""

    line: int
    html: Markup
    ours: bool = False  # whether no command printed it: it says that the log's middle is left out
    goes_on: bool = False  # whether a long line goes on here
    fold: Fold | None = None  # whether a section begins or ends here
    offset: int = 0  # of its first byte

    @property
    def number(self) -> int | None:
        """What stands before the row: each line's number once."""
        return None if self.goes_on else self.line


def rows(data: bytes, place: Place, ours: range = NOTHING) -> tuple[list[Row], Place]:
    """Make rows of the complete lines of `data`, which begins at `place`; say where to go on.

    However the bytes are split over calls, the rows are the same. Lines that begin at an offset
    within `ours` are no output, so no colour that a command has set goes into them or over them.
    """
    made: list[Row] = []
    position, line, style, inside = 0, place.line, place.style, place.inside
    while True:
        end = data.find(b"\n", position, position + MAX_ROW_BYTES + 1)
        whole = end >= 0
        if not whole:
            if len(data) - position <= MAX_ROW_BYTES:
                break
            end = _character_start(data, position + MAX_ROW_BYTES)
            if begun_again := _begun_again(data[position:end]):
                # A progress bar: what stood here is gone by now, and was no row of its own.
                style = style_after(data[position : position + begun_again], style)
                position += begun_again
                continue
        is_ours = place.offset + position in ours
        text = data[position:end]
        fold = read_fold(text) if whole and not inside and not is_ours else None
        if fold is not None:
            text = fold.text
        html, style = line_html(text, PLAIN if is_ours else style)
        # The end of a line that filled its rows exactly is no row.
        if not (whole and inside and end == position):
            made.append(Row(line, html, is_ours, inside, fold, place.offset + position))
        position = end + 1 if whole else end
        line += whole
        inside = not whole
    return made, Place(place.offset + position, line, style, inside)


def unfinished(data: bytes, place: Place) -> Row | None:
    """Make a row of what follows the last complete line, or None when there is nothing.

    A character whose last bytes are still to come is left out.
    """
    if not data:
        return None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    cut_off, _ = decoder.getstate()
    html, _ = line_html(data[: len(data) - len(cut_off)], place.style)
    return Row(place.line, html, goes_on=place.inside, offset=place.offset)


def line_html(line: bytes, style: Style) -> tuple[Markup, Style]:
    """Make HTML of one line without its end, and say what style holds after it."""
    line = line.rstrip(b"\r")
    if b"\r" not in line:
        return _text_html(line.decode("utf-8", "replace"), style)
    # A carriage return starts the line again: what was written last stays, only that is made.
    begin = _begun_again(line)
    end = line.find(b"\r", begin)
    end = len(line) if end < 0 else end
    text = line[begin:end].decode("utf-8", "replace")
    html, style = _text_html(text, style_after(line[:begin], style))
    return html, style_after(line[end:], style)


def _begun_again(piece: bytes) -> int:
    """Return where the last text of a piece of a line begins if it was begun again, else 0."""
    # As many carriage returns stand before it as before the last text that is seen.
    seen = _INVISIBLE.sub("", piece.decode("utf-8", "replace")).rstrip("\r")
    return len(piece) - len(piece.split(b"\r", seen.count("\r"))[-1])


def _character_start(data: bytes, cut: int) -> int:
    """Move `cut` back, by 3 bytes at most, to where an UTF-8 character begins."""
    for back in range(4):
        if data[cut - back] & 0xC0 != 0x80:
            return cut - back
    return cut


# Escape sequences. One that is cut off by the end of the line goes with it, except where that could
# hide real text.
_ESCAPE = (
    r"\x1b\[[0-?]*[ -/]*(?:[@-~]|(?=\r|\Z))"
    r"|\x1b[\]PX^_][^\x07\x1b\r]{0,2000}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]?"
)
_COLOUR_OR_ESCAPE = re.compile(r"\x1b\[([0-9;:]*)m|" + _ESCAPE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SILENT = "\a\x0e\x0f"  # bell, shifts of a character set
_BACKSPACE = "\b"
_INVISIBLE = re.compile(rf"{_ESCAPE}|[{_SILENT}{_BACKSPACE}]")
# Visible pictures of the control characters 0 to 31 and 127. The rest is 8-bit control characters
# and marks that turn the order of the text around.
_PICTURES = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\b\t\n"},
    **dict.fromkeys((*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),
    0x7F: 0x2421,
    **dict.fromkeys(map(ord, _SILENT)),
}


def _text_html(text: str, style: Style) -> tuple[Markup, Style]:
    if _CONTROL.search(text) is None:  # most lines
        return Markup(_span(text, style)), style  # noqa: S704 - it went through escape()
    # Texts, and between them the numbers of a colour sequence, or None for any other sequence.
    first, *rest = _COLOUR_OR_ESCAPE.split(text)
    made: list[str] = []
    same = [first]  # texts in one style
    for sequence, written in zip(rest[::2], rest[1::2], strict=True):
        if sequence is not None:
            made.append(_span(_controlled("".join(same)), style))
            same.clear()
            style = change(style, sequence)
        same.append(written)
    made.append(_span(_controlled("".join(same)), style))
    return Markup("".join(made)), style  # noqa: S704 - every part of it went through escape()


def _span(text: str, style: Style) -> str:
    safe = escape(text, quote=False)
    if style is PLAIN or not text:
        return safe
    tag = open_tag(style)
    return f"{tag}{safe}</span>" if tag else safe


def _controlled(text: str) -> str:
    """Do what backspaces say, and make the other control characters visible."""
    if _CONTROL.search(text) is None:
        return text
    text = text.translate(_PICTURES)
    return erased(text) if _BACKSPACE in text else text
