"""The exception tree is what the top of its file says."""

from __future__ import annotations

import inspect
import re

import pytest

from ci import errors
from ci.errors import CIError, LogGap, PeerRefused, Rejected, RequestError, Unreachable

CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, CIError)
}


def _drawn() -> dict[str, tuple[str | None, int | None]]:
    """Read the drawing: name → name of its parent, HTTP status."""
    found: dict[str, tuple[str | None, int | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([│├└─ ]*)([A-Z]\w+Error|[A-Z]\w+)(?:\s+(\d{3}) )?", line)
        if not match or match[2] not in CLASSES:
            continue
        depth = len(match[1]) // 3
        del above[depth:]
        found[match[2]] = (above[-1] if above else None, int(match[3]) if match[3] else None)
        above.append(match[2])
    return found


def test_the_drawing_shows_every_error_below_its_parent() -> None:
    """Whoever reads the drawing knows the classes."""
    assert {name: parent for name, (parent, _) in _drawn().items()} == {
        name: None if kind is CIError else kind.__bases__[0].__name__
        for name, kind in CLASSES.items()
    }


def test_the_drawing_shows_the_http_status() -> None:
    """Errors of requests carry their status, and the drawing says the same."""
    for name, (_, status) in _drawn().items():
        kind = CLASSES[name]
        if issubclass(kind, RequestError) and kind is not RequestError:
            assert kind.http_status == status
        else:
            assert status is None


def test_a_request_error_names_its_field() -> None:
    """The answer to bad input can name the field."""
    error = Rejected("commit: is empty", field="commit")
    assert (error.message, error.field, str(error)) == (
        "commit: is empty",
        "commit",
        "commit: is empty",
    )
    assert Rejected("the body is not JSON").field is None


def test_a_log_gap_says_where_to_go_on() -> None:
    """The sender reads the size from the error."""
    assert LogGap(17).size == 17
    assert "17" in str(LogGap(17))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PeerRefused(409, "no free slot"), "answered 409: no free slot"),
        (PeerRefused(500, ""), "answered 500"),
        (Unreachable("connection refused", sent=False), "connection refused"),
    ],
)
def test_a_peer_error_reads_well_in_a_log(error: CIError, text: str) -> None:
    """No stray colons, no class names."""
    assert str(error) == text
