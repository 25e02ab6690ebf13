"""Again: what serves for ever begins again after what nobody has foreseen.

A bug anywhere else in the server ends the process, so that it is seen. But what a storage tells is
somebody else's, and who asks for builds on the page has no part in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from ci.backoff import delays
from ci.outage import Outage

FIRST_S: Final = 1.0
CAP_S: Final = 60.0
WELL_S: Final = 600.0  # who has served so long was mended
REMIND_S: Final = 3600.0  # between two tracebacks

log = structlog.get_logger()


async def serve_again(task: str, serve: Callable[[], Awaitable[None]]) -> None:
    """Call `serve` again and again, however it ends; `task` is its name for the log."""
    waits = delays(FIRST_S, CAP_S)
    broken = Outage(REMIND_S)
    while True:
        began = trio.current_time()
        try:
            await serve()
        except Exception:  # all but the end of the server
            if trio.current_time() - began > WELL_S:  # what ends it now is another thing
                waits = delays(FIRST_S, CAP_S)
                broken.over()
            if broken.failed() is not None:
                log.exception("storage task broken", task=task, next="it begins again")
        await trio.sleep(next(waits))
