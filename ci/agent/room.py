"""Whether the agent's disk has room: for another build, or for anything at all; and is its own."""

from __future__ import annotations

import errno
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent.mounts import Ground

# With less than this free, what was being written when something failed did not fit.
FULL_BYTES: Final = 1 << 20
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# What git says of it; LC_ALL=C makes that the same everywhere.
_GIT_WORDS: Final = ("No space left on device", "Out of diskspace", "Disk quota exceeded")
# How git begins what the repository's server says, of a disk of its own.
_REMOTE: Final = re.compile(r"\bremote(?: error)?: ")

log = structlog.get_logger()

# Mostly the kernel knows it without the disk. Where that is asked and hangs, nobody waits for it:
# not a server that asks how we are, nor one that hands a build over.
LOOK_LIMIT_S: Final = 2.0

FreeBytes = Callable[[Path], Awaitable[int]]


class Room:
    """The disk of the agent's data folder, which is on `ground`.

    `problem` is why no build is taken, in a sentence for people, as of the last look; or empty.
    """

    def __init__(self, ground: Ground, min_free: int, free_bytes: FreeBytes) -> None:
        self.problem = ""
        self.short = False  # whether the problem is that too little is free
        self.hanging = 0  # jobs that the disk has been writing down for too long
        self._folder = ground.data_dir
        self._min_free = min_free
        self._free_bytes = free_bytes
        self._ground = ground
        self._looking = trio.CapacityLimiter(1)

    async def look(self) -> int:
        """Look how many bytes are free, and note whether that is enough for another build.

        A folder that can't be looked at has no room; that ends nothing, it may be back soon.
        """
        free = 0
        try:
            problem = await self._foreign()
            free = await self._ask()
        except OSError as error:
            problem = (
                f"{self._folder} can't be looked at ({error.strerror}): no build is taken until "
                "that is mended"
            )
        if not problem and self.hanging:
            problem = (
                f"the disk of {self._folder} hangs: no build is taken until it has written what it "
                "was given"
            )
        self.short = not problem and free < self._min_free
        if self.short:
            problem = (
                f"{_words(free)} free in {self._folder}: no build is taken below "
                f"{_words(self._min_free)} (minFreeBytes); make room there"
            )
        before, self.problem = self.problem, problem
        if problem and not before:
            log.warning("disk short", free=free, problem=problem)
        elif before and not problem:
            log.info("disk has room again", free=free)
        return free

    async def is_full(self) -> bool:
        """Whether nothing more fits."""
        try:
            return await self._ask() < FULL_BYTES
        except OSError:
            return False  # nobody knows

    async def full(self, words: str = "") -> str:
        """Say to whoever asked for a build that the disk is full, where, and what to do.

        `words` are git's, which removes what came in part: they tell what can't be seen any more.
        """
        free = await self.look()
        remedy = "Make room there; the agent goes on by itself."
        if words and free >= FULL_BYTES:
            by_now = f"by now {_words(free)} are free in {self._folder}"
            return f"The agent's disk was full; {by_now}. {remedy} {words}"
        return f"The agent's disk is full: {_words(free)} free in {self._folder}. {remedy}"

    async def _foreign(self) -> str:
        """Say what is not ours there, but was mounted over it. Raises OSError, as `_ask` does."""
        with trio.move_on_after(LOOK_LIMIT_S):
            return await blocking.run(self._ground.problem, limiter=self._looking, only_looks=True)
        raise _no_answer()

    async def _ask(self) -> int:
        """Ask how many bytes are free. Raises OSError, also when the disk does not answer."""
        with trio.move_on_after(LOOK_LIMIT_S):
            return await self._free_bytes(self._folder)
        raise _no_answer()


def is_no_space(error: BaseException) -> bool:
    """Whether something failed for want of space, ours or git's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError):
        return error.errno in NO_SPACE
    said = [line for line in str(error).splitlines() if not _REMOTE.search(line)]
    return any(words in line for line in said for words in _GIT_WORDS)


def _no_answer() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, f"no answer within {LOOK_LIMIT_S:g} s")


def _words(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
