"""Lines of two logs that say the same but for a number. Pure.

Most numbers are noise, hence no news; but `coverage: 71%` may be all that went wrong. Of times and
sizes those count that are ten times as much; lines that come with ever other numbers don't.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ci.linenumbers import has_grown, is_none
from ci.logpiece import Piece
from ci.newlines import MAX_SHAPES
from ci.news import NewLine

MOST_SHOWN: Final = 20
MOST_FOUND: Final = 1000  # shapes among which these are chosen
MOST_KINDS: Final = 50  # numbers in lines of one shape; with more of them it only counts something


@dataclass(slots=True)
class _First:
    """The first line of a shape, its numbers, and the most that was measured in such lines."""

    line: int
    plain: tuple[bytes, ...]
    most: tuple[float, ...]
    kinds: int = 0


@dataclass(slots=True)
class _Change:
    """The first line of a shape whose numbers the other log has not, and how many there are."""

    line: NewLine
    other: int  # the number of the first line of that shape in the other log
    rank: int  # what says most has the least
    times: int = 1


class KnownNumbers:
    """The numbers in the lines of the log that one compares with."""

    def __init__(self) -> None:
        self.seen: set[int] = set()  # shapes with their plain numbers, by hash
        self.firsts: dict[int, _First] = {}  # by hash of the shape
        self.is_full = False

    def add(self, piece: Piece) -> None:
        """Take lines."""
        for at, (key, numbers) in enumerate(zip(piece.keys, piece.numbers, strict=True)):
            if numbers is None or self.is_full:
                continue
            line = piece.plain[at]
            plain, amounts = numbers.read(line), numbers.amounts(line)
            first = self.firsts.get(key)
            if first is None:
                first = self.firsts[key] = _First(piece.number + at, plain, amounts)
            elif amounts:
                first.most = tuple(map(max, first.most, amounts))
            whole = hash((key, *plain))
            if whole in self.seen or first.kinds > MOST_KINDS:
                continue
            first.kinds += 1
            self.seen.add(whole)
            self.is_full = len(self.seen) >= MAX_SHAPES


class ChangedNumbers:
    """Finds the lines of a log that differ only in their numbers."""

    def __init__(self, known: KnownNumbers) -> None:
        self._known = known
        self._found: dict[int, _Change] = {}

    @property
    def kinds(self) -> int:
        """Of how many shapes such lines are."""
        return len(self._found)

    def add(self, piece: Piece) -> None:
        """Take lines."""
        known = self._known
        if known.is_full:
            return  # nobody knows which numbers are new
        for at, (key, numbers) in enumerate(zip(piece.keys, piece.numbers, strict=True)):
            first = known.firsts.get(key)
            if numbers is None or first is None or first.kinds > MOST_KINDS:
                continue
            line = piece.plain[at]
            plain = numbers.read(line)
            if hash((key, *plain)) not in known.seen:
                rank = 0 if numbers.is_telling or _is_some_now(plain, first.plain) else 1
            elif any(map(has_grown, numbers.amounts(line), first.most)):
                rank = 2 if any(first.most) else 0
            else:
                continue
            if key in self._found:
                self._found[key].times += 1
            elif len(self._found) < MOST_FOUND:
                new = NewLine(piece.number + at, piece.lines[at])
                self._found[key] = _Change(new, first.line, rank)

    def changes(self) -> list[tuple[NewLine, int]]:
        """Return lines, each with the number of one like it in the other log: what says most first.

        A number that changes in each of many lines counts something; one that stands in one line
        may say how it went.
        """
        found = self._found.values()
        chosen = sorted(found, key=lambda each: (each.rank, each.times, -each.line.number))
        shown = sorted(chosen[:MOST_SHOWN], key=lambda each: (each.rank, each.line.number))
        return [(each.line, each.other) for each in shown]


def _is_some_now(plain: tuple[bytes, ...], others: tuple[bytes, ...]) -> bool:
    """Whether one of the numbers is 0 in the place of some, or some in the place of 0."""
    return any(is_none(one) != is_none(other) for one, other in zip(plain, others, strict=False))
