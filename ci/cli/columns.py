"""Text in columns, as wide as a terminal shows it: Chinese letters and emoji take two. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from wcwidth import wcswidth, wcwidth

GAP: Final = "  "
_CUT: Final = "…"
_LEAST: Final = 8  # columns that a cell keeps, or it says nothing


def clip(text: str, most: int) -> str:
    """Cut a text that is wider than `most` columns, and show that it was."""
    if _width(text) <= most:
        return text
    kept, used = "", _width(_CUT)
    for letter in text:
        used += max(0, wcwidth(letter))
        if used > most:
            break
        kept += letter
    return (kept.rstrip() + _CUT) if most > 0 else ""


def table(rows: Sequence[Sequence[str]], most: int | None = None) -> Iterator[str]:
    """Yield rows as lines in columns; the widest columns give way until all fits into `most`."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    if most is not None:
        _give_way(widths, most)
    for row in rows:
        cells = (_padded(clip(cell, size), size) for cell, size in zip(row, widths, strict=True))
        line = GAP.join(cells).rstrip()
        yield line if most is None else clip(line, most)


def _give_way(widths: list[int], most: int) -> None:
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - most
    while excess > 0 and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1
        excess -= 1


def _padded(text: str, size: int) -> str:
    return text + " " * (size - _width(text))


def _width(text: str) -> int:
    """Return how many columns it takes; -1 says that something in it speaks to the terminal."""
    width = wcswidth(text)
    return width if width >= 0 else len(text)
