"""A program that ends with whoever started it, however that ended.

Whoever starts it holds the other end of its standard input and says so by STDIN_IS_PARENT in its
environment. The system closes that end with its holder, also by `kill -9`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final, TypeVarTuple

import structlog
import trio

STDIN_IS_PARENT: Final = "CI_STDIN_IS_PARENT"
_STDIN: Final = 0

Ts = TypeVarTuple("Ts")

log = structlog.get_logger()


async def run_with_parent(run: Callable[[*Ts], Awaitable[None]], *args: *Ts) -> None:
    """Run `run(*args)`; if it is to end with its parent, and that dies, kill this process."""
    async with trio.open_nursery() as nursery:
        if STDIN_IS_PARENT in os.environ:
            nursery.start_soon(_die_with_parent)
        await run(*args)
        nursery.cancel_scope.cancel()


async def _die_with_parent() -> None:
    await trio.lowlevel.wait_readable(_STDIN)
    log.error("ended, because the program that started it is gone")
    # Both programs are made for an end at any moment, and there is nobody left to wait for.
    os.kill(os.getpid(), signal.SIGKILL)
