"""What came of a comparison of two logs: what is new, and what did not come again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ci.errorlines import find_errors
from ci.plainlines import plain

# When so much of a log is new, the two have little in common, and that is the news.
STRANGE_SHARE: Final = 0.8
STRANGE_LINES: Final = 10


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line to be shown, with its colours."""

    number: int
    text: bytes
    is_new: bool = True  # or it only stands between new ones
    is_error: bool = False  # whether it looks like one
    is_usual: bool = False  # the other log has many lines that are the same but for one word
    alike: int = 0  # further lines of the same shape, or kin if it is usual, which are not shown


@dataclass(frozen=True, slots=True)
class News:
    """What came of a comparison."""

    lines: int  # that were compared
    other_lines: int  # of the other log
    new: int  # of them, whether they are shown or not
    errors: int  # shapes of new lines that look like an error
    # What went wrong stands at the end of most logs. Not a usual one, nor a frame of a stack, if
    # there are others.
    last: NewLine | None
    runs: tuple[tuple[NewLine, ...], ...]  # lines that follow each other, in the log's order
    hidden: int  # shapes of new lines that are not shown since there are too many
    missing: int  # shapes that did not come again
    missing_lines: tuple[int, ...]  # numbers of their first lines in the other log
    is_full: bool  # whether there were more shapes than are told apart

    @property
    def first_error(self) -> NewLine | None:
        """The first new line that looks like an error; of a traceback the one that says what."""
        run = next((run for run in self.runs if any(line.is_error for line in run)), None)
        if run is None:
            return None
        text = b"\n".join(plain([line.text for line in run]))
        told = (run[text.count(b"\n", 0, begin)] for begin, _ in find_errors(text))
        return next((line for line in told if line.is_new), None) or next(
            line for line in run if line.is_error
        )

    @property
    def is_strange(self) -> bool:
        """Whether the logs have so little in common that most news are none."""
        is_silent = not self.other_lines
        return not is_silent and self.new >= STRANGE_LINES and self.new > STRANGE_SHARE * self.lines
