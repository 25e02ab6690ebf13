"""Answers as JSON: every field always, absent = null, times in UTC to the millisecond."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import ConfigDict


class Answer:
    """The root of all answers."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)


def to_json(content: Any) -> str:
    """Write an answer, or anything else that JSON has, in one line."""
    return json.dumps(
        content, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )


def iso(time: datetime | None) -> str | None:
    """`2026-11-21T14:03:22.250Z`: ISO 8601 in UTC, to the millisecond; None stays None."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    return {name: getattr(value, name) for name in value.__slots__}
