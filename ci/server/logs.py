"""The logs of all attempts: plain files in folders of a thousand builds each."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from ci import blocking, logfile
from ci.errors import GivenUp, LogGap, StoreFailed
from ci.model import ATTEMPT_ID
from ci.server.linemarks import LINES, STEP_BYTES, marks_path
from ci.server.lines import LineCounts
from ci.server.logtimes import TIMES, Notes, note, read_notes, times_path

BUILDS_PER_FOLDER = 1000
LOG = ".log"  # how the name of a log ends
BESIDE = (TIMES, LINES)  # … and of what is kept beside it, without which nothing is lost
SAVE_BYTES = 4 << 20  # of a log that grows; who is started again counts these once more, in 4 ms
_OF_NOTHING = hashlib.sha256().hexdigest()
_COUNTED_LOGS = 256  # logs whose line counts are remembered: those that grow, or are on a page

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A log that is whole and on the disk."""

    size: int  # bytes
    sha256: str  # hexadecimal


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log on the disk."""

    id: str  # of its attempt
    build: int
    size: int  # bytes


class Logs:
    """Appends to logs and reads from them; an id that is none never becomes a path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[str, LineCounts] = {}

    def begin(self, id: str) -> None:
        """Let the log of a new attempt begin empty. Raises StoreFailed.

        An id is used once, unless the store was restored from a back-up or lost while the logs
        stayed: what stands there then is another build's, and nobody may be shown it.
        """
        path = self._path(id)
        with _failing_as_store():
            _remove_beside(path)
            if not path.exists():
                return
            size = logfile.size(path)
            path.unlink()
        self._lines.pop(id, None)
        log.warning("stale log removed", attempt=id, size=size, next="its attempt has its own")

    async def append(self, id: str, offset: int, data: bytes, at_ms: int | None = None) -> int:
        """Add bytes and return the log's size. Raises LogGap.

        `at_ms` says how long after the attempt began they came.
        """
        with _failing_as_store():
            size = await blocking.run(_append, self._path(id), offset, data, at_ms)
        counts = self._counts(id)
        counts.add(offset, data)
        if counts.unsaved_bytes >= SAVE_BYTES:
            await counts.save()
        return size

    async def read(self, id: str, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes from `offset`."""
        return await blocking.run(self.read_now, id, offset, limit)

    def read_now(self, id: str, offset: int, limit: int) -> bytes:
        """Return the same, for who is in a thread already."""
        return logfile.read(self._path(id), offset, limit)

    def size(self, id: str) -> int:
        """Bytes in the log now."""
        return logfile.size(self._path(id))

    async def seal(
        self, id: str, inline: bytes | None, size: int | None, sha256: str | None
    ) -> Sealed:
        """Bring the whole log to disk.

        `inline` is all of it when it came with the result; `size` and `sha256` are what the
        sender says it must be. Raises LogGap when bytes are missing or are not the sender's.
        """
        with _failing_as_store():
            if not inline and not size and sha256 in (None, _OF_NOTHING) and not self.size(id):
                return Sealed(0, _OF_NOTHING)  # and nothing to bring anywhere
            try:
                sealed = await blocking.run(_seal, self._path(id), inline, size, sha256)
            except LogGap as gap:
                if gap.size == 0:
                    self._lines.pop(id, None)
                raise
        if sealed.size >= STEP_BYTES:
            await self._counts(id).finish(sealed.size)
        return sealed

    async def lines_before(self, id: str, offset: int) -> int:
        """Count the line ends in the first `offset` bytes; each byte is counted only once."""
        return await self._counts(id).before(offset)

    async def line_begin(self, id: str, line: int) -> int | None:
        """Find the offset at which a line begins; None when the log has no such line (yet)."""
        return await self._counts(id).begin(line, self.size(id))

    async def times(self, id: str) -> Notes:
        """Return when the bytes of a log arrived, as far as it was noted."""
        return await blocking.run(read_notes, self._path(id))

    async def folders(self) -> list[Path]:
        """Return the folders in which logs are, oldest first."""
        return await blocking.run(_folders, self._folder)

    async def files(self, folder: Path) -> list[LogFile]:
        """Return the logs in one of the folders, in no order; what is no log is left out."""
        return await blocking.run(_files, folder)

    async def sizes(self, builds: Collection[int]) -> Mapping[int, int]:
        """Return the bytes of all logs of each build that has any."""
        return await blocking.run(log_sizes, self._folder, builds)

    async def remove(self, id: str) -> None:
        """Remove a log; one that is not there is fine."""
        await blocking.run(_remove, self._path(id))
        self._lines.pop(id, None)

    def _path(self, id: str) -> Path:
        parts = ATTEMPT_ID.fullmatch(id)
        if parts is None:
            raise GivenUp(f"{id[:100]!r} is no attempt of this server", field="id")
        return _folder(self._folder, int(parts[1]) // BUILDS_PER_FOLDER) / f"{id}{LOG}"

    def _counts(self, id: str) -> LineCounts:
        """Return the line counts of a log; those that were asked for longest ago are forgotten."""
        counts = self._lines.pop(id, None) or LineCounts(self._path(id))
        self._lines[id] = counts
        if len(self._lines) > _COUNTED_LOGS:
            del self._lines[next(iter(self._lines))]
        return counts


def log_sizes(folder: Path, builds: Collection[int]) -> Mapping[int, int]:
    """Return the bytes of all logs of each build, by the disk: the store does not know every size.

    `folder` is that of all logs.
    """
    sizes: Counter[int] = Counter()
    for step in {number // BUILDS_PER_FOLDER for number in builds}:
        with suppress(FileNotFoundError):  # they ended before they printed anything
            for file in _files(_folder(folder, step)):
                sizes[file.build] += file.size
    return sizes


def _folder(folder: Path, step: int) -> Path:
    return folder / f"{step:06}"


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _files(folder: Path) -> list[LogFile]:
    found: dict[str, LogFile] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            id, dot, kind = entry.name.rpartition(".")
            parts = ATTEMPT_ID.fullmatch(id)
            if parts is None or not entry.is_file():
                continue
            if dot + kind == LOG:
                found[id] = LogFile(id, int(parts[1]), entry.stat().st_size)
            elif dot + kind in BESIDE:  # also of a log that somebody removed by hand
                found.setdefault(id, LogFile(id, int(parts[1]), 0))
    return list(found.values())


@contextmanager
def _failing_as_store() -> Iterator[None]:
    """A log that can't be written is the store's failure: passing, and nothing was answered."""
    try:
        yield
    except OSError as error:
        raise StoreFailed(f"a log can't be written: {error.strerror}; free space") from error


def _append(path: Path, offset: int, data: bytes, at_ms: int | None) -> int:
    before = logfile.size(path)
    size = logfile.append(path, offset, data)
    if at_ms is not None and size > before:
        note(path, before, at_ms)
    return size


def _remove(path: Path) -> None:
    _remove_beside(path)  # first: what is left of a log is found by its name
    path.unlink(missing_ok=True)


def _remove_beside(path: Path) -> None:
    times_path(path).unlink(missing_ok=True)
    marks_path(path).unlink(missing_ok=True)


def _seal(path: Path, inline: bytes | None, size: int | None, sha256: str | None) -> Sealed:
    if inline:  # of an empty log nothing can be lost
        logfile.append(path, 0, inline, durable=True)
    else:
        logfile.sync(path)
    found = logfile.size(path)
    if size is not None and found < size:
        raise LogGap(found)
    whole = logfile.sha256(path, found)
    # A process that outlived the build may have printed more, and of that nothing was said.
    said = whole if size in (None, found) else logfile.sha256(path, size)
    if sha256 not in (None, said):
        _remove(path)  # not what was printed: take it again from the start
        raise LogGap(0)
    return Sealed(found, whole)
