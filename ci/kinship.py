"""Lines that are alike but for one word: a name that differs each time, without any digit. Pure.

`Downloading pkg-elr ok` and `Downloading pkg-qaz ok` have shapes of their own. Which of its words
is the name a line does not say, so the one is taken that looks most like it.
"""

from __future__ import annotations

import re
from typing import Final

_LETTER: Final = re.compile(rb"[A-Za-z\x80-\xff]")


def kin(shape: bytes) -> int | None:
    """Return what the shapes of lines that are alike have in common; None: it has one word only."""
    words = [word for word in shape.split() if _LETTER.search(word)]
    if len(words) < 2:
        return None  # nothing is left of it that says what it is about
    name = max(words, key=_likeness)
    return hash((b"kin", shape.replace(name, b"*", 1)))


def _likeness(word: bytes) -> tuple[bool, int]:
    """Say how much a word looks like a name: paths and the like do, and long ones do."""
    return not word.isalpha(), len(word)
