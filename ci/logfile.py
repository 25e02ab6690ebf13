"""An append-only log addressed by byte offset: refuses a gap, forgives an overlap.

Bytes that were taken once never change. Asking twice is harmless, so that any hop between the
command and the reader may die between any two bytes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from pathlib import Path

from ci.errors import LogGap

_HASH_CHUNK = 1 << 20  # bytes read at once where a whole file is read


def size(path: Path) -> int:
    """Bytes in the log; 0 when there is no file yet."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def append(path: Path, offset: int, data: bytes, *, durable: bool = False) -> int:
    """Put `data` at `offset` and return the new size; what is there already is kept as it is.

    Raises LogGap when `offset` lies behind the end. With `durable` the bytes are on disk, and the
    file's name in its folder, before this returns.
    """
    _make_folder(path.parent)
    with path.open("ab") as file:
        # A sender that gave up waiting asks again while its first request is still being served.
        fcntl.flock(file, fcntl.LOCK_EX)
        end = os.fstat(file.fileno()).st_size
        if offset > end:
            raise LogGap(end)
        new = data[end - offset :]
        if new:
            file.write(new)
            file.flush()
        if durable:
            os.fsync(file.fileno())
    if durable:
        sync_folder(path.parent)
    return end + len(new)


def read(path: Path, offset: int, limit: int) -> bytes:
    """Return up to `limit` bytes from `offset`; empty when there are none (yet)."""
    try:
        with path.open("rb") as file:
            return os.pread(file.fileno(), limit, offset)
    except FileNotFoundError:
        return b""


def sync(path: Path) -> None:
    """Return when all bytes of the log, and its name, are on disk. A log without file is fine."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Return when the names in `folder` are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path, size: int | None = None) -> str:
    """Hexadecimal SHA-256 of the first `size` bytes, or of all; that of none without a file."""
    digest = hashlib.sha256()
    left = size if size is not None else sys.maxsize
    try:
        with path.open("rb") as file:
            while chunk := file.read(min(_HASH_CHUNK, left)):
                digest.update(chunk)
                left -= len(chunk)
    except FileNotFoundError:
        pass
    return digest.hexdigest()


def count_lines(path: Path, start: int, stop: int) -> int:
    """Line ends in the bytes from `start` up to `stop`."""
    lines = 0
    try:
        with path.open("rb") as file:
            file.seek(start)
            left = stop - start
            while left > 0 and (chunk := file.read(min(_HASH_CHUNK, left))):
                lines += chunk.count(b"\n")
                left -= len(chunk)
    except FileNotFoundError:
        pass
    return lines


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; their names are on disk when this returns."""
    if folder.exists():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
