"""Versions: when each build was last changed, so that its page is made anew then and only then."""

from __future__ import annotations

from typing import Final

KEPT: Final = 10_000  # builds; of the others only one version for all is kept


class Versions:
    """Told of each commit that changes a build. Versions only grow."""

    def __init__(self) -> None:
        self._of: dict[int, int] = {}  # by number; what was changed last stands last
        self._others = 0

    def note(self, number: int, version: int) -> None:
        """Say that a build was changed by the commit that led to `version`, or since."""
        self._of[number] = max(version, self._of.pop(number, 0) + 1)
        if len(self._of) > KEPT:
            first = next(iter(self._of))
            self._others = self._of.pop(first)

    def of(self, number: int) -> int:
        """Return a number that changes whenever the build is changed, and seldom otherwise."""
        return self._of.get(number, self._others)
