"""Reading the fields of forms about people; errors name the field."""

from __future__ import annotations

from ci.errors import Rejected
from ci.people import Role

_MAX_DIGITS = 6


def read_role(field: str, text: str) -> Role:
    """Read a role or scope. Raises Rejected."""
    if text not in list(Role):
        message = f"{field}: {text[:50]!r} is none; use one of {', '.join(Role)}"
        raise Rejected(message, field=field)
    return Role(text)


def read_days(text: str) -> int | None:
    """Read for how many days something counts; None, for ever, when that is empty.

    Raises Rejected.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        message = f"days: {text[:50]!r} is no number of days; leave it empty for ever"
        raise Rejected(message, field="days")
    return int(text)
