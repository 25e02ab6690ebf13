"""When the bytes of a log arrived: a small file beside it, of notes "from this byte on, so late".

A note is made for a piece of a log unless one was made just before, so a day of output takes some
120 kB at most. The notes are no part of the log: what a crash tears off is forgiven.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

_NOTE: Final = struct.Struct("<QQ")  # offset, milliseconds since the attempt began
# Between two notes: agents send what was printed each 100 ms, and later on a thousandth of the
# time that has passed is exact enough.
_APART_MS: Final = 100
_SHARE: Final = 1000
TIMES: Final = ".times"  # how the name of a file of notes ends
_MODE: Final = 0o666  # as for any file; the umask takes away

Notes = tuple[tuple[int, int], ...]


def times_path(log: Path) -> Path:
    """Return where the notes of a log are."""
    return log.with_suffix(TIMES)


def note(log: Path, offset: int, ms: int) -> None:
    """Note that the bytes of `log` from `offset` on arrived `ms` after the attempt began."""
    file = os.open(times_path(log), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        end = os.fstat(file).st_size // _NOTE.size * _NOTE.size  # half a note is written over
        last = os.pread(file, _NOTE.size, end - _NOTE.size) if end else b""
        if last:
            last_offset, last_ms = _NOTE.unpack(last)
            if last_offset >= offset:  # the log was begun again
                os.ftruncate(file, 0)
                end = 0
            elif ms < last_ms + max(_APART_MS, last_ms // _SHARE):
                return
        os.pwrite(file, _NOTE.pack(offset, ms), end)
    finally:
        os.close(file)


def read_notes(log: Path) -> Notes:
    """Read the notes of a log, offset and milliseconds, in order; none where there is no file."""
    try:
        data = times_path(log).read_bytes()
    except FileNotFoundError:
        return ()
    notes: list[tuple[int, int]] = []
    for offset, ms in _NOTE.iter_unpack(data[: len(data) // _NOTE.size * _NOTE.size]):
        if notes and (offset <= notes[-1][0] or ms < notes[-1][1]):
            break  # after a loss of power a file may end in anything
        notes.append((offset, ms))
    return tuple(notes)
