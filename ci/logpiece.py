"""A piece of a log as comparisons take it: read once, for all that look at it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ci.linenumbers import Numbers
from ci.lineshape import Shapes
from ci.plainlines import plain


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines that follow each other."""

    number: int  # of the first line
    lines: list[bytes]  # as they were printed
    plain: list[bytes]  # as one reads them
    shapes: list[bytes]
    keys: list[int]  # hashes of the shapes
    numbers: list[Numbers | None]


def read_piece(shapes: Shapes, number: int, lines: list[bytes]) -> Piece:
    """Read lines, the first of which has this number."""
    printed = plain(lines)
    told, numbers = shapes.read(printed)
    return Piece(number, lines, printed, told, list(map(hash, told)), numbers)
