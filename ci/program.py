"""What both programs do at their outermost edge: log, start, memory, and an exit code."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from ci import log as log_lines
from ci.errors import ConfigError, StoreError
from ci.version import program_version

CAN_NOT_START = 2  # the exit code of a wrong setting
_M_MMAP_THRESHOLD = -3  # of <malloc.h>; to set it keeps it from growing
_LARGE_BYTES = 1 << 20  # a piece of a log; for smaller ones too it would cost the processor more
BROKEN = 1  # the exit code after a bug: the traceback is in the log

log = structlog.get_logger()


class Settings(Protocol):
    """A configuration, as far as this file looks into it."""

    @property
    def log_format(self) -> str:
        """`text` or `json`."""

    @property
    def exposed_file(self) -> Path | None:
        """A file with secrets that other users can read."""

    def shown(self) -> dict[str, object]:
        """Every setting that may be shown."""


S = TypeVar("S", bound=Settings)


def run_program(name: str, load: Callable[[], S], run: Callable[[S], None]) -> int:
    """Load the settings, run, and return the exit code: 0 when it was stopped.

    2 when it can't start: ConfigError and StoreError are for people, in one line. 1 after
    anything else, which is a bug.
    """
    log_lines.configure()
    as_json = False
    try:
        config = load()
        log_lines.configure(config.log_format)
        as_json = config.log_format == "json"
        version, python = program_version(), platform.python_version()
        log.info("starting", program=name, version=version, python=python, pid=os.getpid())
        log.info("settings", **config.shown())
        if (file := config.exposed_file) is not None:
            meaning = "other users of this machine can read the secrets in it"
            log.warning("settings exposed", file=str(file), meaning=meaning, do=f"chmod 600 {file}")
        run(config)
    except* (ConfigError, StoreError) as group:
        # Nobody has to look for it among other lines; only a machine wants it like them.
        if as_json:
            log.error("not started", error=str(first_error(group)))
        else:
            sys.stderr.write(f"{name}: {first_error(group)}\n")
        return_code = CAN_NOT_START
    except* Exception:
        log.exception("crashed")
        return_code = BROKEN
    else:
        return_code = 0
    return return_code


def return_what_is_free() -> None:
    """Give the memory of large blocks back to the system as soon as they are not used any more.

    The C library does so at first, then less and less. An agent reads pieces of logs in many
    threads, of which each keeps some: a build of 100 MB of output left 40 MB, and now half of that.
    """
    if (set_option := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def keep_what_lasts() -> None:
    """Collect garbage from now on, but spare what the start has made: it is there until the end.

    To look through all that took a fifth of a second, each few seconds under load, and nobody was
    answered meanwhile. What is garbage in it is below 1 MB.
    """
    gc.freeze()
    gc.enable()


def first_error(group: BaseExceptionGroup) -> BaseException:
    """Return the first error in a group of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
