"""A build that prints much: megabytes a second, and what both sides need for it.

`mb_per_s` is from the question to the end, checkout and all. `raw_mb_per_s` is a download of the
log. The log has to be what the command printed, byte by byte, or there is no figure.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final

from bench.cost import MEGABYTE
from bench.figures import Figures, figure
from bench.stage import Size, Stage, milliseconds

LINES: Final = 1000  # of different numbers, again and again
# Made by `yes` from one long word: whatever prints has to cost less than what carries it.
COMMAND: Final = (
    "yes \"$(seq -f 'step %.0f: compiled a file, 0 warnings' {lines})\" | head -c {size}"
)
BLOCK: Final = b"".join(b"step %d: compiled a file, 0 warnings\n" % n for n in range(1, LINES + 1))
HUGE_LIMIT: Final = 4 << 30  # bytes of a log: the usual limit would cut the longest one
LOOK_S: Final = 0.05  # between two looks whether it has ended
PIECE: Final = 1 << 20


def measure(stage: Stage) -> Figures:
    """Let the usual length be printed several times; with `--whole` also a very long log."""
    settings = {"max_log_bytes": HUGE_LIMIT} if stage.size is Size.WHOLE else {}
    stage.start(**settings)
    stage.wait_end(stage.submit("true"))
    usual, huge = stage.pick(2, 100, 100), stage.pick(0, 0, 2000)
    found = _figures(usual, [_print(stage, usual) for _ in range(stage.pick(2, 5, 5))])
    return found | (_figures(huge, [_print(stage, huge)]) if huge else {})


def _print(stage: Stage, megabytes: int) -> dict[str, float]:
    size = int(megabytes * MEGABYTE)
    server, agent = stage.costs()
    number = stage.submit(COMMAND.format(lines=LINES, size=size))
    build = stage.wait_end(number, LOOK_S)
    costs = {
        "server_growth_mb": server.growth_mb,
        "agent_growth_mb": agent.growth_mb,
        "server_cpu_ms": server.own_ms,
        "agent_cpu_ms": agent.own_ms,
        "commands_cpu_ms": agent.children_ms,
    }
    assert build["log_size"] == size, build
    began = time.perf_counter()
    digest, read = _download(stage, number)
    took_s = time.perf_counter() - began
    assert (read, digest) == (size, _digest(size)), f"build {number}: not what was printed"
    return {
        "mb_per_s": megabytes / milliseconds(build) * 1000,
        **costs,
        "raw_mb_per_s": megabytes / took_s,
    }


def _figures(megabytes: int, runs: list[dict[str, float]]) -> Figures:
    return {f"of_{megabytes}_{name}": figure([run[name] for run in runs]) for name in runs[0]}


def _download(stage: Stage, number: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for piece in stage.pieces(f"/api/builds/{number}/log", PIECE):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _digest(size: int) -> str:
    digest = hashlib.sha256()
    whole, rest = divmod(size, len(BLOCK))
    for _ in range(whole):
        digest.update(BLOCK)
    digest.update(BLOCK[:rest])
    return digest.hexdigest()
