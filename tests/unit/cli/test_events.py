"""Logs in JSON."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.cli.events import LogEvents
from ci.cli.screen import Screen
from ci.client import LogPiece

TEXT = "é€\U0001f600x\ufffd".encode() + b"\xff\xe2\x82"


@given(st.sets(st.integers(1, len(TEXT) - 1)))
def test_no_letter_is_cut(cuts: set[int]) -> None:
    """However the log comes: texts make the whole, offsets and sizes each byte once."""
    out = io.BytesIO()
    events = LogEvents(Screen(out, io.BytesIO(), as_json=True))
    ends = [*sorted(cuts), len(TEXT)]
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        events.tell(LogPiece("1.1.1", begin, TEXT[begin:end]))
    events.end()
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert "".join(event["text"] for event in told) == TEXT.decode(errors="replace")
    at = 0
    for event in told:
        assert event["offset"] == at
        at += event["size"]
        assert TEXT[event["offset"] : at].decode(errors="replace") == event["text"]
    assert at == len(TEXT)


@pytest.mark.parametrize("rest", [b"", b"\xe2"])
def test_another_attempt_begins_anew(rest: bytes) -> None:
    """With what was left of the one before told first."""
    out = io.BytesIO()
    events = LogEvents(Screen(out, io.BytesIO(), as_json=True))
    events.tell(LogPiece("1.1.1", 0, b"ab" + rest))
    events.tell(LogPiece("1.1.2", 5, b"c"))
    events.end()
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [
        (one["attempt"], one["offset"], one["size"]) for one in told if one["text"] != "\ufffd"
    ] == [
        ("1.1.1", 0, 2),
        ("1.1.2", 5, 1),
    ]
    assert sum(one["text"] == "\ufffd" for one in told) == len(rest)
