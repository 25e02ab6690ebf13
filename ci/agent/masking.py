"""Masks: puts `***` in the place of secrets, in a text that comes piece by piece. Pure.

What is masked is every byte that belongs to any form of any secret, wherever one begins, also
where two overlap, and the ends of lines within it. That depends on the whole text alone and not on
the pieces in which it comes, so that a log is the same in every life of the agent.

The ends of lines are taken out of each piece. In what is left RE2 looks for the first bytes of all
forms at once; only where these stand is more compared.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final

from ci.agent.disguises import LINE_ENDS, MIN_FORM_BYTES, disguises

MASK: Final = b"***"
MAX_GAP_BYTES: Final = 2  # one end of a line, as any system has it; after more another text begins
# With its own 8 MiB RE2 is a thousand times slower when thousands of lines of keys need more. What
# is not needed is not taken: by some tokens next to nothing, by all that there can be some 130 MiB.
_MAX_SEARCH_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Masked:
    """What came of a piece: `text` of its first `taken` bytes; the rest is to come again.

    Of what follows, `covered` bytes belong to a secret whose mask is in `text`.
    """

    text: bytes
    taken: int
    covered: int


class Masks:
    """The masks of some secrets."""

    def __init__(self, values: Iterable[str]) -> None:
        # Loaded with the first secret: an agent that gets none starts without it.
        import re2  # noqa: PLC0415

        forms = sorted({form for value in values for form in disguises(value)}, key=len)
        self._by_beginning: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for form in reversed(forms):
            self._by_beginning[form[:MIN_FORM_BYTES]].append(form)  # the longest first
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = _MAX_SEARCH_BYTES
        # In order, so that those which begin alike stand together, and RE2 joins them.
        any_beginning = b"|".join(map(re2.escape, sorted(self._by_beginning)))
        self._beginning = re2.compile(any_beginning, options=options)
        self._fragments = frozenset(
            begin[:size] for begin in self._by_beginning for size in range(1, MIN_FORM_BYTES)
        )

    def apply(self, data: bytes, covered: int = 0, *, last: bool) -> Masked:
        """Mask the next bytes of a text, `covered` of which are known to belong to a secret.

        Unless they are the `last`, what may be the beginning of a secret waits for what follows.
        """
        piece = _Piece(data)
        taken = len(data) if last else self._find_fragment(piece)
        text = []
        for begin, end in self._places(piece, last=last):
            if begin >= taken:
                break
            if end is None:
                taken = begin
                break
            if begin >= covered:
                text += [data[covered:begin], MASK]
            covered = max(covered, end)
        text.append(data[covered:taken])
        return Masked(b"".join(text), taken, max(0, covered - taken))

    def whole(self, text: str) -> str:
        """Mask a text of which all is there."""
        return self.apply(text.encode(), last=True).text.decode()

    def _places(self, piece: _Piece, *, last: bool) -> Iterator[tuple[int, int | None]]:
        """Yield where forms begin and end; None where a longer one may end after this piece."""
        joined, at = piece.joined, 0
        while found := self._beginning.search(joined, at):
            begin = found.start()
            at = begin + 1
            for form in self._by_beginning[joined[begin : begin + MIN_FORM_BYTES]]:
                end = begin + len(form)
                if joined.startswith(form, begin) and piece.is_one(begin, end):
                    yield piece.place(begin), piece.place(end - 1) + 1
                    break
                if (
                    not last
                    and end > len(joined)
                    and form.startswith(joined[begin:])
                    and piece.is_unfinished(begin)
                ):
                    yield piece.place(begin), None
                    return

    def _find_fragment(self, piece: _Piece) -> int:
        """Return where the last bytes begin that may be the first ones of a form."""
        joined = piece.joined
        for size in range(min(MIN_FORM_BYTES - 1, len(joined)), 0, -1):
            begin = len(joined) - size
            if joined[begin:] in self._fragments and piece.is_unfinished(begin):
                return piece.place(begin)
        return len(piece.data)


class _Piece:
    """A piece of a text; `joined` is the same without ends of lines."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.joined = data.translate(None, LINE_ENDS)

    def place(self, at: int) -> int:
        """Say where in the piece a byte of `joined` is."""
        return at + bisect_right(self._line_ends, at)

    def is_one(self, begin: int, end: int) -> bool:
        """Whether these bytes of `joined` are no further apart than by an end of a line each."""
        next_gap = bisect_right(self._gaps, begin)
        return next_gap == len(self._gaps) or self._gaps[next_gap] >= end

    def is_unfinished(self, begin: int) -> bool:
        """Whether what comes after this piece may belong to its bytes from here on."""
        return self.is_one(begin, len(self.joined) + 1)

    @cached_property
    def _line_ends(self) -> list[int]:
        """How many bytes of `joined` are before each end of a line, if that is ever asked."""
        lines = self.data.replace(b"\r", b"\n").split(b"\n")
        return list(accumulate(map(len, lines[:-1])))

    @cached_property
    def _gaps(self) -> list[int]:
        """Before which bytes of `joined` there is more than MAX_GAP_BYTES."""
        ends = self._line_ends
        return [at for at, same in zip(ends, ends[MAX_GAP_BYTES:], strict=False) if at == same]
