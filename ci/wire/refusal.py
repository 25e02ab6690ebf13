"""What a peer says when it answers no, in words for people."""

from __future__ import annotations

import json
from typing import Any

MAX_SHOWN_CHARS = 1000


def refusal_words(content_type: str, body: str) -> str:
    """Return the peer's own words in one line; "" for a page, which a proxy sends.

    Ours are JSON, `{"error": {"message": …}}`. Other people's agents and servers spell it their
    own ways; what is none of those is shown as it came.
    """
    if content_type.startswith("text/html"):
        return ""
    words = body
    match read_json(body):
        case {"error": {"message": str(said)}}:
            words = said
        case (
            {"error": str(said)}
            | {"reason": str(said)}
            | {"message": str(said)}
            | {"detail": str(said)}
        ):
            words = said
    return " ".join(words.split())[:MAX_SHOWN_CHARS]


def read_json(text: str) -> Any:
    """Return what an answer says in JSON; None when it can't be read: a wrong peer nests deeply."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
