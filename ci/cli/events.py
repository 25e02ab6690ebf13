"""A log as JSON: its pieces in events whose texts, one after the other, are that of the log."""

from __future__ import annotations

import codecs

from ci.cli.screen import Screen
from ci.client import LogPiece


class LogEvents:
    """Tells the pieces of a log. A letter that is cut in two comes whole, with the next piece."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._attempt = ""
        self._at = 0  # up to there it was told
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def tell(self, piece: LogPiece) -> None:
        """Tell a piece; `offset` and `size` are in bytes of the log."""
        if piece.attempt != self._attempt:
            self.end()
            self._attempt, self._at = piece.attempt, piece.offset
        text = self._decoder.decode(piece.data)
        held = len(self._decoder.getstate()[0])
        self._tell(text, piece.offset + len(piece.data) - held)

    def end(self) -> None:
        """Tell what is left of a letter that never came whole."""
        held = len(self._decoder.getstate()[0])
        self._tell(self._decoder.decode(b"", final=True), self._at + held)

    def _tell(self, text: str, end: int) -> None:
        begin, self._at = self._at, end
        if end > begin:
            self._screen.json(
                {
                    "event": "log",
                    "attempt": self._attempt,
                    "offset": begin,
                    "size": end - begin,
                    "text": text,
                }
            )
