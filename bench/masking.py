"""Measure how fast an agent masks secrets in what a command prints.

    python bench/masking.py

Prints one line of JSON: for some numbers of secrets, of 40 characters and a key of some lines, and
for as much of keys as there can be, megabytes a second of a usual log without any of them, and with
one in each hundredth line.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from ci.agent.masking import Masks
from ci.secretrules import MAX_VALUE_BYTES

LINE = b"[%8d] a line as compilers print it, with some words and a number at its end\n"
PIECE = 1 << 20  # bytes, as the agent reads
PIECES = 100
TOKEN_CHARS = 40
MEGABYTE = 1_000_000


def main() -> None:
    """Measure and print."""
    found = {}
    for count, size in (
        *((1, TOKEN_CHARS), (10, TOKEN_CHARS), (30, TOKEN_CHARS)),
        (30, MAX_VALUE_BYTES),
    ):
        values = [
            key(size) if size > TOKEN_CHARS else secrets.token_urlsafe(30) for _ in range(count - 1)
        ]
        values.append(key(2600))
        masks = Masks(values)
        for name, every in (("without", 0), ("with", 100)):
            lines = [LINE % n for n in range(PIECE // 70)]
            if every:
                lines[::every] = [values[0].split("\n")[0].encode() + b"\n"] * len(lines[::every])
            piece = b"".join(lines)[:PIECE]
            began = time.perf_counter()
            for _ in range(PIECES):
                masks.apply(piece, last=False)
            took = time.perf_counter() - began
            found[f"{count} secrets of {size}, {name}"] = round(
                PIECES * len(piece) / MEGABYTE / took
            )
    sys.stdout.write(json.dumps({"megabytes a second": found}) + "\n")


def key(size: int) -> str:
    """Make what looks like one of `size` characters: in lines of 64."""
    return "\n".join(secrets.token_urlsafe(48) for _ in range(size // 65))


if __name__ == "__main__":
    main()
