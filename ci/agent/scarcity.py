"""What the machine lacks for a while: open files, processes, memory. Others give them back.

Nothing of this is a verdict on a build: what could not be done is done again until it can be, and
no new build is taken meanwhile.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
import trio

from ci.outage import Outage

T = TypeVar("T")

# Files of this process and of the machine; memory; processes and threads of this user.
_SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
PAUSE_S: Final = 1.0  # before the next try; what is given back is soon taken by somebody else
HOLD_S: Final = 5.0  # so long after the last failure no build is taken: a heartbeat tells of it
REMIND_S: Final = 60.0  # between two log lines of the same attempt

log = structlog.get_logger()


class Scarcity:
    """Whether this agent could do what it has to."""

    def __init__(self) -> None:
        self._words = ""
        self._failed_at = -math.inf

    @property
    def problem(self) -> str:
        """Why no build is taken just now, in a sentence for people; or empty."""
        if trio.current_time() - self._failed_at > HOLD_S:
            return ""
        return f"the agent's machine is short ({self._words}): no build is taken until it is not"

    async def insist(self, attempt: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` for an attempt, again and again while the machine is too short for it.

        Other failures pass through.
        """
        outage = Outage(REMIND_S)
        while True:
            try:
                return await work()
            except (OSError, MemoryError, ExceptionGroup) as error:
                if not is_scarce(error):
                    raise
                self._words = _words(error)
            if trio.current_time() - self._failed_at > HOLD_S:
                outage.over()
            self._failed_at = trio.current_time()
            if (lasted_s := outage.failed()) is not None:
                log.warning(
                    "machine short",
                    attempt=attempt,
                    error=self._words,
                    for_s=lasted_s,
                    next="tried again each second",
                )
            await trio.sleep(PAUSE_S)


def is_scarce(error: BaseException) -> bool:
    """Whether something failed for want of what others may give back."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_scarce(inner) for inner in error.exceptions)
    if isinstance(error, OSError):
        return error.errno in _SCARCE
    return isinstance(error, MemoryError)


def _words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return os.strerror(errno.ENOMEM)
