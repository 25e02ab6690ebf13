"""Counts of a log's lines on the disk: a small file beside it, so that nobody counts them again.

For each full MiB of the log it has a mark: how many line ends there are up to there, and a check
sum. The bytes of a log never change, so a mark has its place, whoever writes it, and how often.
Where something is wrong the marks end, and the rest is counted again.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

STEP_BYTES: Final = 1 << 20  # between two marks; so much is read to count up to a place
LINES: Final = ".lines"  # how the name of a file of marks ends
_MARK: Final = struct.Struct("<QI")  # line ends, check sum
_MARKED: Final = struct.Struct("<QQ")  # what is summed up: where the mark stands, and line ends
_MODE: Final = 0o666  # as for any file; the umask takes away


def marks_path(log: Path) -> Path:
    """Return where the marks of a log are."""
    return log.with_suffix(LINES)


def write_marks(log: Path, first: int, counts: Sequence[int]) -> None:
    """Write how many line ends there are up to the end of each step of `log` from `first` on."""
    data = b"".join(_mark(first + step, count) for step, count in enumerate(counts))
    file = os.open(marks_path(log), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        os.pwrite(file, data, first * _MARK.size)
    finally:
        os.close(file)


def read_marks(log: Path) -> list[int]:
    """Read how many line ends there are up to the end of each step, as far as that is known."""
    try:
        data = marks_path(log).read_bytes()
        size = log.stat().st_size
    except OSError:  # most often there are none; whatever it is, they can be counted again
        return []
    steps = min(len(data) // _MARK.size, size // STEP_BYTES)
    counts: list[int] = []
    for step, (count, _) in enumerate(_MARK.iter_unpack(data[: steps * _MARK.size])):
        if data[step * _MARK.size : (step + 1) * _MARK.size] != _mark(step, count):
            break
        counts.append(count)
    return counts


def _mark(step: int, count: int) -> bytes:
    return _MARK.pack(count, zlib.crc32(_MARKED.pack((step + 1) * STEP_BYTES, count)))
