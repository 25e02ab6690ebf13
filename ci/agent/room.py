"""Whether the agent's disk has room: for another build, or for anything at all."""

from __future__ import annotations

import errno
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
import trio

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
    """The disk of `folder`, which is the agent's data folder.

    `problem` is why no build is taken, in a sentence for people, as of the last look; or empty.
    """

    def __init__(self, folder: Path, min_free: int, free_bytes: FreeBytes) -> None:
        self.problem = ""
        self.hanging = 0  # jobs that the disk has been writing down for too long
        self._folder = folder
        self._min_free = min_free
        self._free_bytes = free_bytes

    async def look(self) -> int:
        """Look how many bytes are free, and note whether that is enough for another build.

        A folder that can't be looked at has no room; that ends nothing, it may be back soon.
        """
        problem = ""
        try:
            free = await self._ask()
        except OSError as error:
            free = 0
            problem = (
                f"{self._folder} can't be looked at ({error.strerror}): no build is taken until "
                "that is mended"
            )
        if not problem and self.hanging:
            problem = (
                f"the disk of {self._folder} hangs: no build is taken until it has written what it "
                "was given"
            )
        if not problem and free < self._min_free:
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

    async def _ask(self) -> int:
        """Ask how many bytes are free. Raises OSError, also when the disk does not answer."""
        with trio.move_on_after(LOOK_LIMIT_S):
            return await self._free_bytes(self._folder)
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {LOOK_LIMIT_S:g} s")


def is_no_space(error: BaseException) -> bool:
    """Whether something failed for want of space, ours or git's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError):
        return error.errno in NO_SPACE
    said = [line for line in str(error).splitlines() if not _REMOTE.search(line)]
    return any(words in line for line in said for words in _GIT_WORDS)


def _words(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
