"""What is sent with the end of a build: how long it took, how it ended, and its log as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ci.model import Build, Status
from ci.server.logs import Logs

MAX_INT32: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Finish:
    """A finish, but for the id."""

    duration_ms: int
    success: bool
    log: str


async def make_finish(build: Build, attempt: str | None, logs: Logs, limit: int) -> Finish:
    """Make what is sent of a build that has ended; at most about `limit` bytes of its log."""
    pieces = [] if attempt is None else await _read(attempt, logs, limit)
    if build.status is not Status.SUCCESS and build.message:
        pieces.append(f"\n[nursery-ci] {build.status}: {build.message}\n")
    return Finish(duration_ms(_took_s(build)), build.status is Status.SUCCESS, "".join(pieces))


def duration_ms(seconds: float) -> int:
    """Write a duration as the storage takes it."""
    return min(max(0, round(seconds * 1000)), MAX_INT32)


def _took_s(build: Build) -> float:
    """How long it took, by the server's clock where its agent was lost; 0 if it never began."""
    if build.duration_s is not None:
        return build.duration_s
    if build.started_at is None or build.finished_at is None:
        return 0.0
    return (build.finished_at - build.started_at).total_seconds()


async def _read(attempt: str, logs: Logs, limit: int) -> list[str]:
    """Read a log, or its head and its tail."""
    size = logs.size(attempt)
    if size <= limit:
        return [_text(await logs.read(attempt, 0, limit))]
    half = limit // 2
    mark = (
        f"\n[nursery-ci] {size - 2 * half} bytes are left out here: "
        f"the storage API is sent {limit} at most (apiLogBytes)\n"
    )
    head = await logs.read(attempt, 0, half)
    return [_text(head), mark, _text(await logs.read(attempt, size - half, half))]


def _text(data: bytes) -> str:
    """Any bytes as text. NUL is left to nobody's database."""
    return data.decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
