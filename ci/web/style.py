"""How text looks, and the sequences by which a command changes it: `ESC [ … m`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, Final

_KEPT: Final = 4096  # a program uses few colours, again and again
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


@lru_cache(_KEPT)
def open_tag(style: Style) -> str:
    """Begin a span that looks so; empty for plain text."""
    return f'<span class="{classes}">' if (classes := style.classes) else ""


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
_SEQUENCE: Final = re.compile(rb"\x1b\[([0-9;:]*)m")
_RESETS: Final = frozenset((b"", b"0"))
_MAX_CODES = 64  # in one sequence; more is no honest colour
_USUAL_CHARS: Final = 24  # of a sequence: what is kept of longer ones would take too much memory


def change(style: Style, sequence: str) -> Style:
    """Apply the numbers of one `ESC [ … m`; unknown ones change nothing."""
    return (_change_usual if len(sequence) <= _USUAL_CHARS else _change)(style, sequence)


def style_after(output: bytes, style: Style) -> Style:
    """Say what style holds after output that began with `style`; quick, whatever is in it."""
    sequences = _SEQUENCE.findall(output)
    for back, sequence in enumerate(reversed(sequences)):
        if sequence in _RESETS:
            style, sequences = PLAIN, sequences[len(sequences) - back :]
            break
    for sequence in sequences:
        style = change(style, sequence.decode("ascii"))
    return style


def _change(style: Style, sequence: str) -> Style:
    changes: dict[str, Any] = {}
    codes = iter(_numbers(sequence))
    for code, parameters in codes:
        if code == 0:
            style = PLAIN
            changes.clear()
        elif code == 4 and parameters[:1] == [0]:
            changes["underline"] = False
        elif code in _ON:
            changes.update(_ON[code])
        elif 30 <= code <= 37:
            changes["colour"] = code - 30
        elif 90 <= code <= 97:
            changes["colour"] = code - 90 + 8
        elif 40 <= code <= 47:
            changes["background"] = code - 40
        elif 100 <= code <= 107:
            changes["background"] = code - 100 + 8
        elif code == 39:
            changes["colour"] = None
        elif code == 49:
            changes["background"] = None
        elif code in (38, 48):
            colour = _long_colour(parameters or _following(codes))
            if colour is not None:
                changes["colour" if code == 38 else "background"] = colour
    return replace(style, **changes) if changes else style


_change_usual = lru_cache(_KEPT)(_change)


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


@lru_cache(_KEPT)
def _nearest(red: int, green: int, blue: int) -> int:
    def distance(index: int) -> int:
        other = _PALETTE[index]
        return (red - other[0]) ** 2 + (green - other[1]) ** 2 + (blue - other[2]) ** 2

    return min(range(16), key=distance)
