"""Log bytes to safe HTML: colours, carriage returns, control characters. Pure.

A command writes for a terminal; the page shows what the terminal would have shown at last. What
only a terminal can do (moving the cursor, setting a title) is dropped. Nothing that a command
writes can become markup.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from itertools import islice
from typing import Any, Final

from markupsafe import Markup

from ci.web.folds import Fold, read_fold

# Bytes of one row. A longer line is shown in several rows, so that a file of one endless line
# neither needs endless memory nor keeps the browser busy.
MAX_ROW_BYTES: Final = 16 << 10

_STYLE_CODE = re.compile(r"(b?)(d?)(i?)(u?)(s?)(v?)(?:f([0-9a-f]))?(?:g([0-9a-f]))?")


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks from here on. Colours are 0 to 15, as a terminal numbers them."""

    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    inverse: bool = False
    colour: int | None = None
    background: int | None = None

    @property
    def code(self) -> str:
        """A compact form that fits into an URL; `read_style` is its inverse."""
        code = self._letters()
        code += "" if self.colour is None else f"f{self.colour:x}"
        return code + ("" if self.background is None else f"g{self.background:x}")

    @property
    def classes(self) -> str:
        """Names of classes in the style sheet; empty for plain text."""
        names = list(self._letters().replace("v", ""))
        colour, background = self.colour, self.background
        if self.inverse:
            colour, background = background, colour
        names += [] if colour is None else [f"f{colour}"]
        if background is not None:
            names.append(f"g{background}")
        elif self.inverse:
            names.append("gi")
        return " ".join(names)

    def _letters(self) -> str:
        flags = (self.bold, self.dim, self.italic, self.underline, self.strike, self.inverse)
        return "".join(letter for letter, on in zip("bdiusv", flags, strict=True) if on)


PLAIN: Final = Style()


def read_style(code: str) -> Style:
    """Read `Style.code` back. Raises ValueError for anything else."""
    match = _STYLE_CODE.fullmatch(code)
    if match is None:
        raise ValueError(f"{code[:20]!r} is no style")
    bold, dim, italic, underline, strike, inverse, colour, background = match.groups()
    return Style(
        bold=bool(bold),
        dim=bool(dim),
        italic=bool(italic),
        underline=bool(underline),
        strike=bool(strike),
        inverse=bool(inverse),
        colour=None if colour is None else int(colour, 16),
        background=None if background is None else int(background, 16),
    )


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
                _, style = line_html(data[position : position + begun_again], style)
                position += begun_again
                continue
        is_ours = place.offset + position in ours
        text = data[position:end]
        fold = read_fold(text) if whole and not inside and not is_ours else None
        if fold is not None and fold.heading is not None:
            text = fold.heading
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
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data)
    html, _ = _text_html(text, place.style)
    return Row(place.line, html, goes_on=place.inside, offset=place.offset)


def line_html(line: bytes, style: Style) -> tuple[Markup, Style]:
    """Make HTML of one line without its end, and say what style holds after it."""
    return _text_html(line.decode("utf-8", "replace"), style)


def _begun_again(piece: bytes) -> int:
    """Return where the last text of a piece of a line begins if it was begun again, else 0."""
    end = len(piece)
    while (carriage_return := piece.rfind(b"\r", 0, end)) >= 0:
        text = piece[carriage_return + 1 : end].decode("utf-8", "replace")
        if any(visible for visible, _ in _split(text)):
            return carriage_return + 1
        end = carriage_return
    return 0


def _character_start(data: bytes, cut: int) -> int:
    """Move `cut` back, by 3 bytes at most, to where an UTF-8 character begins."""
    for back in range(4):
        if data[cut - back] & 0xC0 != 0x80:
            return cut - back
    return cut


# What is not plain text: escape sequences first, since they begin with a control character. One
# that is cut off by the end of the line goes with it, except where that could hide real text.
_SPECIAL = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b\[[0-?]*[ -/]*(?:[@-~]|$)"
    r"|\x1b[\]PX^_][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]?"
    r"|(?P<control>[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069])"
)
_SILENT = frozenset("\a\x0e\x0f")  # bell, shifts of a character set
_BACKSPACE = "\b"
_PICTURES = 0x2400  # U+2400 and on: visible pictures of the control characters 0 to 31
_DELETE = "\x7f"


def _text_html(text: str, style: Style) -> tuple[Markup, Style]:
    if style is PLAIN and _SPECIAL.search(text) is None:  # most lines: a third of a page's time
        return Markup(escape(text, quote=False)), style  # noqa: S704 - it went through escape()
    shown = ""
    # A carriage return starts the line again: what was written last stays.
    for segment in text.split("\r"):
        html, visible, style = _segment_html(segment, style)
        if visible:
            shown = html
    return Markup(shown), style  # noqa: S704 - every part of it went through escape()


def _segment_html(segment: str, style: Style) -> tuple[str, bool, Style]:
    pieces: list[str] = []
    for text, escape_code in _split(segment):
        if text:
            classes = style.classes
            safe = escape(text, quote=False)
            pieces.append(f'<span class="{classes}">{safe}</span>' if classes else safe)
        if escape_code is not None:
            style = _change(style, escape_code)
    return "".join(pieces), bool(pieces), style


def _split(segment: str) -> Iterator[tuple[str, str | None]]:
    """Yield visible text, and after each the colour sequence that ends it (None at the end)."""
    text, position, back = "", 0, 0
    for match in _SPECIAL.finditer(segment):
        text, back = _write(text, segment[position : match.start()], back)
        position = match.end()
        if (sgr := match["sgr"]) is not None:
            yield text, sgr
            text, back = "", 0
        elif (control := match["control"]) == _BACKSPACE:
            back = min(back + 1, len(text))
        elif control is not None:
            text, back = _write(text, _visible(control), back)
    yield _write(text, segment[position:], back)[0], None


def _write(text: str, new: str, back: int) -> tuple[str, int]:
    """Write over the last `back` letters, as a spinner does; what is not written over stays."""
    return (text[: len(text) - back] + new, 0) if new else (text, back)


def _visible(control: str) -> str:
    if control in _SILENT:
        return ""
    if control < " ":
        return chr(_PICTURES + ord(control))
    # The rest is 8-bit control characters and marks that turn the order of the text around.
    return "\u2421" if control == _DELETE else "\ufffd"


_ON: Final[dict[int, dict[str, Any]]] = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underline": True},
    7: {"inverse": True},
    9: {"strike": True},
    21: {"underline": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underline": False},
    27: {"inverse": False},
    29: {"strike": False},
}
_MAX_CODES = 64  # in one sequence; more is no honest colour


def _change(style: Style, sequence: str) -> Style:
    """Apply the numbers of one `ESC [ … m`; unknown ones change nothing."""
    codes = iter(_numbers(sequence))
    for code, parameters in codes:
        if code == 0:
            style = PLAIN
        elif code in _ON:
            off = code == 4 and parameters[:1] == [0]
            style = replace(style, **({"underline": False} if off else _ON[code]))
        elif 30 <= code <= 37:
            style = replace(style, colour=code - 30)
        elif 90 <= code <= 97:
            style = replace(style, colour=code - 90 + 8)
        elif 40 <= code <= 47:
            style = replace(style, background=code - 40)
        elif 100 <= code <= 107:
            style = replace(style, background=code - 100 + 8)
        elif code == 39:
            style = replace(style, colour=None)
        elif code == 49:
            style = replace(style, background=None)
        elif code in (38, 48):
            colour = _long_colour(parameters or _following(codes))
            if colour is not None:
                text = code == 38
                style = replace(style, colour=colour) if text else replace(style, background=colour)
    return style


def _numbers(sequence: str) -> Iterator[tuple[int, list[int]]]:
    """Yield each number with the parameters that follow it after colons."""
    for part in sequence.split(";")[:_MAX_CODES]:
        first, *more = (int(text[-4:] or 0) for text in part.split(":")[:8])
        yield first, more


def _following(codes: Iterator[tuple[int, list[int]]]) -> list[int]:
    """Take the parameters of a long colour that are written as numbers of their own."""
    kind, _ = next(codes, (0, []))
    count = {5: 1, 2: 3}.get(kind, 0)
    return [kind, *(code for code, _ in islice(codes, count))]


# The 16 colours as xterm has them: what a colour of 256 or of 16 million is compared with.
_PALETTE: Final = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0),
    (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0),
    (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip
_CUBE: Final = (0, 95, 135, 175, 215, 255)  # the steps of the 6 by 6 by 6 colours from 16 on


def _long_colour(parameters: list[int]) -> int | None:
    """`5, n` or `2, r, g, b` (or `2, space, r, g, b`) to the nearest of the 16."""
    match parameters:
        case [5, number, *_] if number < 16:
            return number
        case [5, number, *_] if number < 232:
            red, green, blue = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
            return _nearest(_CUBE[red], _CUBE[green], _CUBE[blue])
        case [5, number, *_] if number < 256:
            return _nearest(*[8 + 10 * (number - 232)] * 3)
        case [2, _, red, green, blue, *_] | [2, red, green, blue]:
            return _nearest(red, green, blue)
    return None


_KEPT_COLOURS: Final = 4096  # a program uses few colours, again and again


@lru_cache(_KEPT_COLOURS)
def _nearest(red: int, green: int, blue: int) -> int:
    def distance(index: int) -> int:
        other = _PALETTE[index]
        return (red - other[0]) ** 2 + (green - other[1]) ** 2 + (blue - other[2]) ** 2

    return min(range(16), key=distance)
