"""Answers as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from ci.answers.server import Error, Problem
from ci.answers.writing import iso, to_json

NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, UTC)


def test_times_are_utc() -> None:
    """ISO 8601 with Z, to the millisecond."""
    assert iso(NOON.astimezone(timezone(timedelta(hours=9)))) == "2026-11-21T12:00:00.250Z"
    assert iso(None) is None


def test_an_answer_has_every_field() -> None:
    """What is absent is null; answers may stand in each other, and in lists."""
    written = to_json([Error(Problem(None, "é")), NOON])
    assert json.loads(written) == [
        {"error": {"field": None, "message": "é"}},
        "2026-11-21T12:00:00.250Z",
    ]
    assert written.isprintable()
