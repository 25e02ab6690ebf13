"""What is delivered of a command's output: all of it, or its head, a mark, and its tail.

The command writes straight into a file, which may grow without end. Up to the limit the log is the
file. Of a longer one the log is

    head    the first three quarters of the limit, up to the end of a line
    mark    says that the limit is reached, and how many bytes are left out
    tail    the last quarter of the limit, from the beginning of a line

This depends on the file, its size, the limit and nothing else, so that it is the same in every
life of the agent; and it only grows, so that a byte that was delivered holds. Everything that
reads blocks on the disk: call it through `ci.blocking`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ci import blocking, logfile

TAIL_SHARE: Final = 4  # one part in so many is the tail's: what failed first mostly stands above
NEAR_SHARE: Final = 16  # a line end is near within one part in so many of the limit,
MAX_NEAR_BYTES: Final = 64 << 10  # and no farther away than this
_PIECE_BYTES: Final = 1 << 20  # read at once where all is read


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it is delivered: parts of the file at `path`, and the mark between them."""

    path: Path
    head: int  # bytes from the file's beginning
    mark: bytes = b""
    tail: int = 0  # where in the file the tail begins
    tail_size: int = 0

    @property
    def size(self) -> int:
        """Bytes of the log."""
        return self.head + len(self.mark) + self.tail_size

    @property
    def cut(self) -> int | None:
        """Where the words of the mark begin; None without one."""
        words = self.mark.removeprefix(b"\n")  # which ends the head's last line
        return self.head + len(self.mark) - len(words) if words else None

    def first(self, size: int) -> Log:
        """Return the log that has only the first `size` bytes of this one."""
        head = min(self.head, size)
        mark = self.mark[: size - head]
        tail_size = min(self.tail_size, size - head - len(mark))
        return Log(self.path, head, mark, self.tail, tail_size)

    def read(self, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes from `offset`; at least one, unless there is none."""
        if offset < self.head:
            return logfile.read(self.path, offset, min(limit, self.head - offset))
        offset -= self.head
        if offset < len(self.mark):
            return self.mark[offset : offset + limit]
        offset -= len(self.mark)
        rest = max(0, self.tail_size - offset)
        return logfile.read(self.path, self.tail + offset, min(limit, rest))

    def pieces(self) -> Iterator[bytes]:
        """Yield all of it, piece by piece."""
        offset = 0
        while piece := self.read(offset, _PIECE_BYTES):
            yield piece
            offset += len(piece)

    def sha256(self) -> str:
        """Hexadecimal SHA-256 of all of it."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


@dataclass(slots=True)
class Output:
    """The file that a command's output goes to, and how many bytes of it are kept."""

    path: Path
    limit: int
    seen: int = 0  # bytes in the file when somebody last looked

    async def look(self) -> int:
        """Return the bytes in the file now. Raises OSError.

        In a thread: a network's file may hang, and the agent must still say that it is there.
        """
        return await blocking.run(self.measure)

    def measure(self) -> int:
        """Do the same in this thread."""
        self.seen = logfile.size(self.path)
        return self.seen

    def so_far(self, size: int) -> Log:
        """Return what is sure to be delivered when `size` bytes are printed and more may come.

        What lies between the head and the limit waits: it is the log's next part, or its tail.
        """
        if size < self._most_head:
            # A line end that is near will be the head's end.
            return Log(self.path, min(size, self._most_head - self._near))
        head = self._head()
        return Log(self.path, head, self._limit_reached(head) if size > self.limit else b"")

    def whole(self, size: int) -> Log:
        """Return the log of a command that is over and has printed `size` bytes."""
        if size <= self.limit:
            return Log(self.path, size)
        head, tail = self._head(), self._tail(size)
        mark = self._limit_reached(head)
        mark += b"[%s bytes are left out here]\n" % f"{tail - head:,}".encode()
        return Log(self.path, head, mark, tail, size - tail)

    def middle(self, size: int) -> range:
        """Return the place of bytes that are in no log once `size` bytes are printed."""
        # The byte before the tail tells whether a line begins there.
        return range(self._most_head, max(self._most_head, size - self._most_tail - 1))

    @property
    def _most_tail(self) -> int:
        return self.limit // TAIL_SHARE

    @property
    def _most_head(self) -> int:
        return self.limit - self._most_tail

    @property
    def _near(self) -> int:
        return min(self.limit // NEAR_SHARE, MAX_NEAR_BYTES)

    def _head(self) -> int:
        """Return where the head ends: at a line end, if one is near."""
        begin = self._most_head - self._near
        line_end = logfile.read(self.path, begin, self._near).rfind(b"\n")
        return self._most_head if line_end < 0 else begin + line_end + 1

    def _tail(self, size: int) -> int:
        """Return where the tail begins: behind a line end, if one is near."""
        begin = size - self._most_tail
        line_end = logfile.read(self.path, begin - 1, self._near).find(b"\n")
        return begin if line_end < 0 else begin + line_end

    def _limit_reached(self, head: int) -> bytes:
        own_line = b"" if logfile.read(self.path, head - 1, 1) == b"\n" else b"\n"
        words = (
            f"[nursery-ci: the output limit of {_words(self.limit)} is reached: what follows is "
            f"left out, except its last {_words(self._most_tail)}, which come at the end]\n"
        )
        return own_line + words.encode()


def _words(count: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count:,} bytes"
