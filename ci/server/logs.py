"""The logs of all attempts: plain files in folders of a thousand builds each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from ci import blocking, logfile
from ci.errors import GivenUp, LogGap, StoreFailed
from ci.model import ATTEMPT_ID

_BUILDS_PER_FOLDER = 1000
_INDEX_STEP = 1 << 20  # bytes between two remembered line counts
_INDEXED_LOGS = 64  # logs whose line counts are remembered; the pages that are open now


class Logs:
    """Appends to logs and reads from them; an id that is none never becomes a path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._line_counts: dict[str, list[int]] = {}  # per log: lines in each full step
        self._counting = trio.Lock()

    async def append(self, id: str, offset: int, data: bytes) -> int:
        """Add bytes and return the log's size. Raises LogGap."""
        with _failing_as_store():
            return await blocking.run(logfile.append, self._path(id), offset, data)

    async def read(self, id: str, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes from `offset`."""
        return await blocking.run(logfile.read, self._path(id), offset, limit)

    def size(self, id: str) -> int:
        """Bytes in the log now."""
        return logfile.size(self._path(id))

    async def seal(
        self, id: str, inline: bytes | None, size: int | None, sha256: str | None
    ) -> int:
        """Bring the whole log to disk and return its size.

        `inline` is all of it when it came with the result; `size` and `sha256` are what the
        sender says it must be. Raises LogGap when bytes are missing or are not the sender's.
        """
        with _failing_as_store():
            try:
                return await blocking.run(_seal, self._path(id), inline, size, sha256)
            except LogGap as gap:
                if gap.size == 0:
                    self._line_counts.pop(id, None)
                raise

    async def lines_before(self, id: str, offset: int) -> int:
        """Count the line ends in the first `offset` bytes; each byte is counted only once."""
        async with self._counting:
            return await blocking.run(self._count, id, offset)

    def _path(self, id: str) -> Path:
        parts = ATTEMPT_ID.fullmatch(id)
        if parts is None:
            raise GivenUp(f"{id[:100]!r} is no attempt of this server", field="id")
        return self._folder / f"{int(parts[1]) // _BUILDS_PER_FOLDER:06}" / f"{id}.log"

    def _count(self, id: str, offset: int) -> int:
        path = self._path(id)
        counts = self._line_counts.setdefault(id, [])
        steps = min(offset, logfile.size(path)) // _INDEX_STEP
        while len(counts) < steps:
            start = len(counts) * _INDEX_STEP
            counts.append(logfile.count_lines(path, start, start + _INDEX_STEP))
        while len(self._line_counts) > _INDEXED_LOGS:
            del self._line_counts[next(iter(self._line_counts))]
        return sum(counts[:steps]) + logfile.count_lines(path, steps * _INDEX_STEP, offset)


@contextmanager
def _failing_as_store() -> Iterator[None]:
    """A log that can't be written is the store's failure: passing, and nothing was answered."""
    try:
        yield
    except OSError as error:
        raise StoreFailed(f"a log can't be written: {error.strerror}; free space") from error


def _seal(path: Path, inline: bytes | None, size: int | None, sha256: str | None) -> int:
    if inline is not None:
        logfile.append(path, 0, inline, durable=True)
    else:
        logfile.sync(path)
    found = logfile.size(path)
    if size is not None and found < size:
        raise LogGap(found)
    if sha256 is not None and logfile.sha256(path, size) != sha256:
        path.unlink(missing_ok=True)  # not what was printed: take it again from the start
        raise LogGap(0)
    return found
