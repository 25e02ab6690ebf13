"""Log lines for people and for grep: `time level event key=value`, on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.,:/+@%~[]()")


def configure() -> None:
    """Send structlog's events, and the warnings of libraries, to stderr, one line each."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


def render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Make the line. Only a traceback takes lines of its own, below."""
    time, level, words = (event.pop(key, "") for key in ("timestamp", "level", "event"))
    traceback = event.pop("exception", None)
    values = [f"{key}={_shown(value)}" for key, value in event.items()]
    line = " ".join([str(time), f"{level:<7}", str(words), *values])
    return f"{line}\n{traceback}" if traceback else line


def _shown(value: object) -> str:
    """Show a value in quotes, with escapes, unless it is one plain word."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if text and _PLAIN.issuperset(text) else repr(text)
