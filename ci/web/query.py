"""Reading what comes in an address: numbers, filters, offsets; errors name the field."""

from __future__ import annotations

import re
from typing import Final

from quart import request
from werkzeug.routing import BaseConverter, ValidationError

from ci.errors import Rejected
from ci.model import MAX_NUMBER, Labels, Status
from ci.server.views import DEFAULT_LIMIT, MAX_LIMIT, BuildFilter

_BETWEEN_LABELS = re.compile(r"[,\s]+")
_DIGITS = re.compile(r"[0-9]{1,19}")
MAX_TEXT_CHARS: Final = 1000  # of a filter; commits, branches and names are far shorter


class NumberConverter(BaseConverter):
    """A build's number in a path; anything that can't be one leads to 404."""

    regex = r"[1-9][0-9]{0,18}"  # with zeros in front a build would have several addresses

    def to_python(self, value: str) -> int:
        """Read the number. Raises ValidationError, which means 404."""
        number = int(value)
        if not 1 <= number <= MAX_NUMBER:
            raise ValidationError
        return number


def text(name: str) -> str | None:
    """Read a parameter; None when it is absent or empty. Raises Rejected."""
    value = request.args.get(name, "")
    if "\x00" in value:
        raise Rejected(f"{name}: has a NUL character", field=name)
    if len(value) > MAX_TEXT_CHARS:
        raise Rejected(f"{name}: is longer than {MAX_TEXT_CHARS} characters", field=name)
    return value or None


def command() -> str | None:
    """Read a command, of which an address has room for all but the longest; None when absent.

    One that is empty is judged like any other.
    """
    return request.args.get("command")


def number(name: str, *, least: int = 0, most: int = MAX_NUMBER) -> int | None:
    """Read a whole number; None when it is absent or empty. Raises Rejected."""
    value = text(name)
    if value is None:
        return None
    if not _DIGITS.fullmatch(value) or not least <= int(value) <= most:
        allowed = f"from {least} to {most}" if most != MAX_NUMBER else f"from {least} on"
        raise Rejected(f"{name}: must be a whole number {allowed}, not {value[:40]!r}", field=name)
    return int(value)


def build_filter() -> BuildFilter:
    """Read which builds are wanted. Raises Rejected."""
    before, after = number("before", least=1), number("after")
    if before is not None and after is not None:
        raise Rejected("after: can't be given together with before", field="after")
    return BuildFilter(
        status=_status(),
        repository=text("repository"),
        branch=text("branch"),
        agent=text("agent"),
        text=(text("q") or "").strip() or None,
        before=before,
        after=after,
        limit=number("limit", least=1, most=MAX_LIMIT) or DEFAULT_LIMIT,
    )


def again() -> int | None:
    """Read which build fills the form, as it was asked for. Raises Rejected."""
    return number("again", least=1)


def exact() -> bool:
    """Read whether a build is to be of the very commit of another one. Raises Rejected."""
    return number("exact", most=1) == 1


def split_labels(text: str) -> Labels:
    """Read labels from one line, as flags and variables of the agent say them."""
    return tuple(word for word in _BETWEEN_LABELS.split(text) if word)


def form() -> dict[str, str]:
    """Read what else fills the form; this runs nothing. Raises Rejected."""
    values = {name: text(name) for name in ("repository", "commit", "command", "labels")}
    return {name: value for name, value in values.items() if value is not None}


def _status() -> Status | None:
    value = text("status")
    try:
        return None if value is None else Status(value)
    except ValueError:
        words = ", ".join(Status)
        raise Rejected(f"status: must be one of {words}", field="status") from None
