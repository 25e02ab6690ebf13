"""What both programs do at their outermost edge: one line for a person, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ci import log
from ci.errors import CIError, ConfigError, StoreError

CAN_NOT_START = 2  # the exit code of a wrong setting


def run_program(name: str, start: Callable[[], None]) -> int:
    """Run `start` and return the exit code: 0 when it was stopped, 2 when it can't start.

    Only ConfigError and StoreError are for people; anything else is a bug and passes through.
    """
    log.configure()
    try:
        start()
    except* (ConfigError, StoreError) as group:
        sys.stderr.write(f"{name}: {_first(group)}\n")
        return_code = CAN_NOT_START
    else:
        return_code = 0
    return return_code


def _first(group: BaseExceptionGroup[CIError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
