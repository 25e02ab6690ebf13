"""Lines of two logs that say the same but for a number: a last resort when nothing is new. Pure.

Most numbers are noise, hence no news; but `coverage: 71%` may be all that went wrong. Times, sizes
and durations stay out, and so do lines that come with ever other numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ci.lineshape import Shapes
from ci.newlines import MAX_SHAPES, NewLine
from ci.plainlines import plain

MOST_SHOWN: Final = 20
MOST_FOUND: Final = 1000  # shapes among which these are chosen
MOST_KINDS: Final = 50  # numbers in lines of one shape; with more of them it only counts something

# A number by itself: not in a word, a path, a date or a time of day, and without a unit.
_NUMBER: Final = re.compile(
    rb"(?<![^\s=(\[\"'])[+-]?\d+(?:\.\d+)*%?(?=[)\]\"',;.]?(?:\s|\Z))"
    rb"(?! (?:[mun]?s|secs?|seconds?|m|min|minutes?|h|hours?|[kKMGT]?i?B(?:/s)?|bytes?)\b)"
)


@dataclass(slots=True)
class _Change:
    """The first line of a shape whose numbers the other log has not, and how many there are."""

    line: NewLine
    other: int  # the number of the first line of that shape in the other log
    times: int = 1


class KnownNumbers:
    """The numbers in the lines of the log that one compares with."""

    def __init__(self, shapes: Shapes) -> None:
        self.seen: set[int] = set()  # shapes with their numbers, by hash
        self.firsts: dict[int, int] = {}  # the number of the first line of each shape
        self._kinds: dict[int, int] = {}  # how many numbers each shape has come with
        self.is_full = False
        self._shapes = shapes

    def add(self, number: int, lines: list[bytes]) -> None:
        """Take lines, the first of which has this number."""
        for at, (key, whole) in enumerate(_keys(self._shapes, lines), number):
            if whole is None or whole in self.seen:
                continue
            if len(self.seen) >= MAX_SHAPES:
                self.is_full = True
                return
            kinds = self._kinds[key] = self._kinds.get(key, 0) + 1
            if kinds == 1:
                self.firsts[key] = at
            elif kinds > MOST_KINDS:
                self.firsts.pop(key, None)
                continue
            self.seen.add(whole)


class ChangedNumbers:
    """Finds the lines of a log that differ only in their numbers."""

    def __init__(self, known: KnownNumbers, shapes: Shapes) -> None:
        self._known = known
        self._shapes = shapes
        self._found: dict[int, _Change] = {}

    def add(self, number: int, lines: list[bytes]) -> None:
        """Take lines, the first of which has this number."""
        known = self._known
        if known.is_full:
            return  # nobody knows which numbers are new
        for at, (key, whole) in enumerate(_keys(self._shapes, lines)):
            if whole is None or whole in known.seen or key not in known.firsts:
                continue
            if key in self._found:
                self._found[key].times += 1
            elif len(self._found) < MOST_FOUND:
                line = NewLine(number + at, lines[at])
                self._found[key] = _Change(line, known.firsts[key])

    def changes(self) -> list[tuple[NewLine, int]]:
        """Return lines, each with the number of one like it in the other log: the rarest ones.

        A number that changes in each of many lines counts something; one that stands in one line
        may say how it went.
        """
        rarest = sorted(self._found.values(), key=lambda each: (each.times, -each.line.number))
        shown = sorted(rarest[:MOST_SHOWN], key=lambda each: each.line.number)
        return [(each.line, each.other) for each in shown]


def _keys(shapes: Shapes, lines: list[bytes]) -> list[tuple[int, int | None]]:
    """Make of each line the hash of its shape, and of that with its numbers if there are any."""
    printed = plain(lines)
    keys = [hash(shape) for shape in shapes.of(printed)]
    return [
        (key, hash((key, *numbers)) if (numbers := _NUMBER.findall(line)) else None)
        for key, line in zip(keys, printed, strict=True)
    ]
