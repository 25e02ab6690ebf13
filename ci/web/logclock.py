"""When each line of a log arrived, as the page shows it. Pure.

Agents send what was printed each tenth of a second; so exact it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ci.web import words


@dataclass(frozen=True, slots=True)
class LogClock:
    """Tells the time of a log's bytes by notes of offset and milliseconds since `start`."""

    start: datetime  # of the attempt
    notes: Sequence[tuple[int, int]]

    def html(self, offset: int) -> str:
        """Make an element with the time of the byte at `offset`, exact on hover."""
        place = bisect_right(self.notes, offset, key=lambda note: note[0]) - 1
        if place < 0:
            return "<small></small>"
        ms = self.notes[place][1]
        moment = words.exact(self.start + timedelta(milliseconds=ms))
        return f'<small title="{moment}">{since_start(ms)}</small>'


def since_start(ms: int) -> str:
    """`+12.3`, `+2:03.4`, `+1:02:03.4`: hours, minutes, seconds."""
    minutes, seconds = divmod(ms / 1000, 60)
    if not minutes:
        return f"+{int(seconds * 10) / 10:.1f}"
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{int(seconds * 10) / 10:04.1f}"
    return f"+{hours}:{minutes:02}:{tail}" if hours else f"+{minutes}:{tail}"
