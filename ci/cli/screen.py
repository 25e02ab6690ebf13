"""What is written: logs and answers to the standard output, what is said of them to the other one.

On a terminal the last line says what goes on, and is drawn anew in its place. In a pipe there are
plain lines, and a log has exactly the bytes that it has.
"""

from __future__ import annotations

import codecs
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Final

from ci.answers.writing import to_json
from ci.cli import columns
from ci.cli.words import plain
from ci.escapes import Stripper, escaped
from ci.model import Status

_ERASE: Final = b"\r\x1b[2K"
_PLAIN: Final = b"\x1b[0m"
_DUMB: Final = "dumb"  # so a terminal is called that knows no sequences
_COLOURS: Final = {
    Status.SUCCESS: "\x1b[32m",
    Status.FAILURE: "\x1b[31m",
    Status.ERROR: "\x1b[33m",
    Status.CANCELED: "\x1b[33m",
}


class OutputLost(OSError):
    """What was asked for can't be written: a full disk, a terminal that has gone."""


class Screen:
    """Where `ci` writes. Raises BrokenPipeError when who reads has gone, and OutputLost."""

    def __init__(
        self,
        out: BinaryIO,
        err: BinaryIO,
        *,
        as_json: bool = False,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.as_json = as_json
        self._out, self._err = out, err
        is_able = environment.get("TERM", _DUMB) != _DUMB
        has_colours = is_able and not environment.get("NO_COLOR")
        self._shows = out.isatty()
        self.is_live = err.isatty() and is_able and not as_json
        self._has_colours = self.is_live and has_colours
        self._log_has_colours = self._shows and has_colours
        self._stripper = Stripper(colours=has_colours)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._status = ""  # what the last line says just now
        self._in_line = False  # whether the log on the terminal ends within a line

    def answer(self, text: str) -> None:
        """Write a line that was asked for."""
        self._answer(plain(text))

    def json(self, content: Any) -> None:
        """Write an answer as one line of JSON, which says nothing to a terminal either."""
        self._answer(escaped(to_json(content)))

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Write lines in columns; on a terminal none is longer than that is wide."""
        most = shutil.get_terminal_size().columns if self._shows else None
        for line in columns.table([tuple(map(plain, row)) for row in rows], most):
            self._answer(line)

    def note(self, text: str, status: Status | None = None) -> None:
        """Say something of what goes on, in a line that stays."""
        self._erase()
        colour = _COLOURS.get(status, "") if status and self._has_colours else ""
        words = f"{colour}{plain(text)}\x1b[0m" if colour else plain(text)
        own_line = b"\n" if self._in_line and self.is_live else b""
        self._in_line = False
        self._tell(own_line + words.encode("utf-8", "replace") + b"\n")

    def show(self, status: str) -> None:
        """Let the last line say this; in a pipe nothing is said."""
        if not self.is_live or (self._in_line and self._shows):
            return
        cut = columns.clip(plain(status), shutil.get_terminal_size().columns - 1)
        if cut != self._status:
            self._status = cut
            self._tell(_ERASE + cut.encode("utf-8", "replace"))

    def log(self, data: bytes) -> None:
        """Write bytes of a log: as they are, or on a terminal with nothing but text and colours."""
        self._erase()
        if self._shows:
            # What is no UTF-8 may be a control character for an old terminal.
            data = self._decoder.decode(self._stripper.strip(data)).encode()
        if data:
            self._in_line = self._shows and not data.endswith(b"\n")
            self._write(data)

    def end_log(self) -> None:
        """End what a log has left on the terminal: its colours."""
        if self._log_has_colours:
            self._write(_PLAIN)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._erase()

    def _answer(self, line: str) -> None:
        self._erase()
        self._write(line.encode("utf-8", "replace") + b"\n")

    def _erase(self) -> None:
        if self._status:
            self._status = ""
            self._tell(_ERASE)

    def _write(self, data: bytes) -> None:
        _write(self._out, data)

    def _tell(self, data: bytes) -> None:
        _write(self._err, data)


def _write(stream: BinaryIO, data: bytes) -> None:
    try:
        stream.write(data)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(f"the output can't be written: {error.strerror}") from error
