"""The part of git-lfs that git speaks with: turns pointers into content, and content into pointers.

See `Long Running Filter Process` in gitattributes(5).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

POINTER = b"pointer\n"
CONTENT = b"content\n"


def install(folder: Path, *, broken: bool = False) -> None:
    """Put it into `folder` under its name; a `broken` one brings nothing."""
    folder.mkdir()
    program = folder / "git-lfs"
    status = "error" if broken else "success"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {status} "$@"\n')
    program.chmod(0o755)


def _read(file: BinaryIO) -> list[bytes]:
    """Read packets up to a flush; none at the end."""
    packets = []
    while (size := int(file.read(4) or b"0", 16)) > 0:
        packets.append(file.read(size - 4))
    return packets


def _write(*packets: bytes) -> None:
    for packet in packets:
        sys.stdout.buffer.write(f"{len(packet) + 4:04x}".encode() + packet)
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()


def _filter(status: str) -> None:
    _read(sys.stdin.buffer)
    _write(b"git-filter-server\n", b"version=2\n")
    _read(sys.stdin.buffer)
    _write(b"capability=clean\n", b"capability=smudge\n")
    while asked := _read(sys.stdin.buffer):
        _read(sys.stdin.buffer)
        _write(f"status={status}\n".encode())
        if status != "success":
            continue
        _write(POINTER if b"command=clean\n" in asked else CONTENT)
        _write()


if __name__ == "__main__":
    assert sys.argv[2:] == ["filter-process"]
    _filter(sys.argv[1])
