"""Masks: puts `***` in the place of secrets, in a text that comes piece by piece. Pure.

What is masked is every byte that belongs to any form of any secret, wherever one begins, also
where two overlap. That depends on the whole text alone and not on the pieces in which it comes, so
that a log is the same in every life of the agent.

RE2 looks for the first bytes of all forms at once; only where these stand is more compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ci.agent.disguises import MIN_FORM_BYTES, disguises

MASK: Final = b"***"


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
        any_beginning = b"|".join(map(re2.escape, self._by_beginning))
        self._beginning = re2.compile(any_beginning, options=options)
        self._fragments = frozenset(
            begin[:size] for begin in self._by_beginning for size in range(1, MIN_FORM_BYTES)
        )

    def apply(self, data: bytes, covered: int = 0, *, last: bool) -> Masked:
        """Mask the next bytes of a text, `covered` of which are known to belong to a secret.

        Unless they are the `last`, what may be the beginning of a secret waits for what follows.
        """
        taken = len(data) if last else len(data) - self._fragment_size(data)
        text = []
        for begin, end in self._places(data, last=last):
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

    def _places(self, data: bytes, *, last: bool) -> Iterator[tuple[int, int | None]]:
        """Yield where forms begin and end; None where a longer one may end after this piece."""
        at = 0
        while found := self._beginning.search(data, at):
            begin = found.start()
            at = begin + 1
            for form in self._by_beginning[data[begin : begin + MIN_FORM_BYTES]]:
                if data.startswith(form, begin):
                    yield begin, begin + len(form)
                    break
                if not last and len(data) - begin < len(form) and form.startswith(data[begin:]):
                    yield begin, None
                    return

    def _fragment_size(self, data: bytes) -> int:
        """Return how many bytes at the end may be the first ones of a form."""
        sizes = range(min(MIN_FORM_BYTES - 1, len(data)), 0, -1)
        return next((size for size in sizes if data[-size:] in self._fragments), 0)
