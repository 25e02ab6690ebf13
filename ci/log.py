"""Log lines on stderr, one for each event: `time level event key=value`, or one JSON object.

The events of both programs, with their keys, are listed in docs/operation.md; a test compares.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from ci.escapes import plain_text

_PLAIN: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.,:/+@%~[]()"
)

Renderer = Callable[[object, str, MutableMapping[str, Any]], str]


def configure(form: str = "text") -> None:
    """Send our events, and the warnings of libraries, to stderr. `form` is `text` or `json`."""
    chosen = render_json if form == "json" else render
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _stamp,
            structlog.processors.format_exc_info,
            chosen,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_Lines,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Foreign(chosen))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Make the line. Only a traceback takes lines of its own, below."""
    time, level, words = (event.pop(key, "") for key in ("timestamp", "level", "event"))
    traceback = event.pop("exception", None)
    values = [f"{key}={_shown(value)}" for key, value in event.items()]
    said = str(words)  # a library's may hold anything
    line = " ".join([str(time), f"{level:<7}", said if said.isprintable() else repr(said), *values])
    return f"{line}\n{plain_text(traceback)}" if traceback else line


def render_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Make one JSON object: `time`, `level`, `event`, then the keys; a traceback is one of them."""
    first = {"time": event.pop("timestamp", ""), "level": event.pop("level", "")}
    words = event.pop("event", "")
    line = json.dumps(first | {"event": words} | dict(event), default=_plain)
    return line.replace("\x7f", r"\u007f")  # the one control character that JSON takes as it is


def _stamp(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["timestamp"] = _plain(datetime.now(UTC))
    return event


def _plain(value: object) -> str:
    """Write a value down; a time of day always in one form, which sorts as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value)


def _shown(value: object) -> str:
    """Show a value in quotes, with escapes, unless it is one plain word."""
    text = f"{value:.3f}" if isinstance(value, float) else _plain(value)
    return text if text and _PLAIN.issuperset(text) else repr(text)


class _Lines:
    """Writes to stderr, if it can.

    Where it leads to a file, that file's disk may be full, and a reader may be gone. A line that
    can't be written can't be told anywhere, and is no reason to end what the program does.
    """

    def msg(self, line: str) -> None:
        """Write one event."""
        with suppress(OSError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


class _Foreign(logging.Formatter):
    """Makes a library's own record into a line like ours."""

    def __init__(self, chosen: Renderer) -> None:
        super().__init__()
        self._render = chosen

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "timestamp": _plain(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return self._render(None, "", event)
