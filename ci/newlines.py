"""The lines of a log that are new against another one: of a shape that the other does not have.

Where a line stands does not matter, as tests that run side by side come in any order; nor does how
often, except of what looks like an error. Memory is bounded whatever the logs are. Pure.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from ci.errorlines import find_errors, is_frame
from ci.kinship import kin
from ci.lineshape import Shapes
from ci.logpiece import Piece, read_piece
from ci.news import NewLine, News
from ci.plainlines import Cutter

MAX_SHAPES: Final = 100_000  # that are told apart in one log: 20 MB; a usual one has some hundreds
MOST_ERRORS: Final = 100  # of the new lines that look like an error are shown, the first ones …
MOST_FIRST: Final = 150  # … of the others the first …
MOST_LAST: Final = 100  # … and the last, since what went wrong stands at the end of most logs
GAP_LINES: Final = 3  # between new lines that are shown with them, so that these can be understood
MOST_MISSING: Final = 20  # of the lines that did not come again are told
USUAL_SHAPES: Final = 3  # that are kin: with so many in the other log, one more is no surprise
RANDOM_SHARE: Final = 0.5  # of these that did not come again: their names differ each time
_WORD: Final = re.compile(rb"[A-Za-z\x80-\xff]")  # a line without any is never news by itself


class Known:
    """The lines of the log that one compares with."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}  # how many lines there are of each shape, by its hash
        # Of those that have a word: the number of the first line, and its kin.
        self.firsts: dict[int, tuple[int, int | None]] = {}
        self.kin: Counter[int | None] = Counter()  # how many shapes are kin
        self.lines = 0
        self.is_full = False

    def add(self, piece: Piece) -> None:
        """Take lines."""
        for at, key in enumerate(piece.keys):
            count = self.counts.get(key, 0)
            if count == 0:
                if len(self.counts) >= MAX_SHAPES:
                    self.is_full = True
                    continue
                if _WORD.search(piece.shapes[at]):
                    its_kin = kin(piece.shapes[at])
                    self.firsts[key] = piece.number + at, its_kin
                    self.kin[its_kin] += 1
            self.counts[key] = count + 1
        self.lines += len(piece.lines)


@dataclass(frozen=True, slots=True)
class _Found:
    """The first line of a new shape, and those between it and the one that was found before it."""

    key: int
    line: NewLine
    above: tuple[tuple[int, NewLine], ...]  # with their keys


class Comparison:
    """Finds the new lines of a log."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._left = dict(known.counts)  # lines of each shape that have not come yet
        self._times: dict[int, int] = {}  # how often each new shape has come
        self._usual: dict[int, int] = {}  # kin of new shapes, where many are in the other log
        self._dull: set[int] = set()  # shapes that may come more often than in the other log
        self._errors: list[_Found] = []
        self._firsts: list[_Found] = []
        self._lasts: deque[_Found] = deque(maxlen=MOST_LAST)
        self._above: list[tuple[bytes, int]] = []  # the last lines so far, with their keys
        self._next = 1  # the number of the line that follows these
        self._previous = 0  # the number of the line that was found last
        self._lines = self._new = self._error_shapes = 0
        self._last: dict[int, NewLine] = {}  # the last new lines, by what they say: 0 is most
        self._is_full = known.is_full

    def add(self, piece: Piece) -> None:
        """Take lines."""
        number, lines = piece.number, piece.lines
        keys = [
            key if key in self._left else self._usual.get(key) or self._key(piece, index)
            for index, key in enumerate(piece.keys)
        ]
        if number != self._next:
            self._above = []  # some were left out
        around = [*self._above, *zip(lines, keys, strict=True)]
        above = len(self._above)
        for index, key in enumerate(keys):
            left = self._left.get(key)
            if left:
                self._left[key] = left - 1
                continue
            if key in self._times:
                self._new += 1
                self._times[key] += 1
            elif left is None and _WORD.search(piece.shapes[index]):
                self._find(number + index, around, above + index, _is_error(piece.plain[index]))
            elif left == 0 and key not in self._dull:
                if _is_error(piece.plain[index]):
                    self._find(number + index, around, above + index, True)
                else:
                    self._dull.add(key)
                    continue
            else:
                continue
            self._note_last(number + index, piece, index, is_usual=key in self._known.kin)
        self._lines += len(lines)
        self._next = number + len(lines)
        self._above = around[-GAP_LINES:]

    def _note_last(self, number: int, piece: Piece, index: int, *, is_usual: bool) -> None:
        says_less = 2 if is_usual else int(is_frame(piece.plain[index]))
        self._last[says_less] = NewLine(number, piece.lines[index], is_usual=is_usual)

    def _key(self, piece: Piece, index: int) -> int:
        """Return the kin of a line, if many in the other log are, and it is no error; its key."""
        key = piece.keys[index]
        if key in self._times or len(self._usual) >= MAX_SHAPES:
            return key
        its_kin = kin(piece.shapes[index])
        if its_kin is None or self._known.kin[its_kin] < USUAL_SHAPES:
            return key
        if _is_error(piece.plain[index]):
            return key
        self._usual[key] = its_kin
        return its_kin

    def _find(
        self, number: int, around: list[tuple[bytes, int]], place: int, looks_like_error: bool
    ) -> None:
        """Note the first line of a new shape, which is at `place` of those around it."""
        self._new += 1
        if len(self._times) >= MAX_SHAPES:
            self._is_full = True
            return
        text, key = around[place]
        is_usual = key in self._known.kin
        new = NewLine(number, text, is_error=looks_like_error, is_usual=is_usual)
        self._times[key] = 1
        between = min(number - self._previous - 1, place)
        self._previous = number
        if between > GAP_LINES:
            between = 0
        above = tuple(
            (
                other,
                NewLine(
                    number - between + index,
                    line,
                    is_new=other not in self._left,
                    is_usual=other in self._known.kin,
                ),
            )
            for index, (line, other) in enumerate(around[place - between : place])
        )
        found = _Found(key, new, above)
        if looks_like_error:
            self._error_shapes += 1
        if looks_like_error and len(self._errors) < MOST_ERRORS:
            self._errors.append(found)
        elif len(self._firsts) < MOST_FIRST:
            self._firsts.append(found)
        else:
            self._lasts.append(found)

    def news(self) -> News:
        """Say what came of it."""
        shown = sorted(
            [*self._errors, *self._firsts, *self._lasts], key=lambda found: found.line.number
        )
        missing = self._missing()
        return News(
            lines=self._lines,
            other_lines=self._known.lines,
            new=self._new,
            errors=self._error_shapes,
            last=self._last[min(self._last)] if self._last else None,
            runs=tuple(self._runs(shown)),
            hidden=len(self._times) - len(shown),
            missing=len(missing),
            missing_lines=tuple(missing[:MOST_MISSING]),
            is_full=self._is_full,
        )

    def _missing(self) -> list[int]:
        """Number the lines that did not come again, but for those whose names differ each time."""
        known = self._known
        gone = {
            key: each for key, each in known.firsts.items() if self._left[key] == known.counts[key]
        }
        of_kin = Counter(its_kin for _, its_kin in gone.values())
        return [
            number
            for number, its_kin in gone.values()
            if its_kin not in self._times or of_kin[its_kin] < RANDOM_SHARE * known.kin[its_kin]
        ]

    def _runs(self, shown: list[_Found]) -> Iterator[tuple[NewLine, ...]]:
        """Put lines that follow each other together, and say at each how many more are like it."""
        runs: list[list[tuple[int, NewLine]]] = []
        for found in shown:
            if not runs or runs[-1][-1][1].number + len(found.above) + 1 != found.line.number:
                runs.append([])
            else:
                runs[-1] += found.above
            runs[-1].append((found.key, found.line))
        in_sight = Counter(key for run in runs for key, _ in run)
        firsts = {found.line.number for found in shown}
        for run in runs:
            yield tuple(
                replace(line, alike=self._times[key] - in_sight[key])
                if line.number in firsts
                else line
                for key, line in run
            )


def compare(log: Iterable[bytes], other: Iterable[bytes]) -> News:
    """Find what is new in a log that comes in pieces against another one."""
    shapes = Shapes()
    known = Known()
    for number, lines in _numbered(other):
        known.add(read_piece(shapes, number, lines))
    comparison = Comparison(known)
    for number, lines in _numbered(log):
        comparison.add(read_piece(shapes, number, lines))
    return comparison.news()


def _numbered(pieces: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    cutter, number = Cutter(), 1
    for piece in pieces:
        lines = cutter.cut(piece)
        yield number, lines
        number += len(lines)
    yield number, cutter.end()


def _is_error(line: bytes) -> bool:
    return any(True for _ in find_errors(line))
