"""A refusal is read by people: its words, whoever sends them."""

from __future__ import annotations

import json

import pytest

from ci.wire.refusal import MAX_SHOWN_CHARS, read_json, refusal_words

JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"field": null, "message": "no free slot"}}', "no free slot"),
        ('{"error": "no free slot"}', "no free slot"),
        ('{"status": "refused", "reason": "busy\\nnow"}', "busy now"),
        ('{"message": "busy"}', "busy"),
        ('{"detail": "busy"}', "busy"),
        ('{"detail": ["busy"]}', '{"detail": ["busy"]}'),
        ("[" * 100_000, "[" * MAX_SHOWN_CHARS),
        ("no\r\n free slot", "no free slot"),
        ("", ""),
    ],
)
def test_a_refusal_is_shown_in_its_own_words(body: str, words: str) -> None:
    """Not as the JSON around them."""
    assert refusal_words(JSON, body) == words


def test_a_page_is_not_shown() -> None:
    """A proxy sends one, and nothing in it is for whoever waits for a build."""
    assert refusal_words("text/html; charset=utf-8", "<h1>Bad gateway</h1>") == ""


def test_what_is_no_json_is_nothing() -> None:
    """Also when it is nested without end."""
    assert read_json(json.dumps({"size": 7})) == {"size": 7}
    assert read_json("{") is None
    assert read_json("[" * 100_000) is None
