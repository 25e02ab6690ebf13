"""Log lines are read back as they were written."""

from __future__ import annotations

from tests.torture.events import problems, read_events
from tests.torture.evidence import Event

LOG = """\
2026-11-22T01:23:18.820737Z info    agent online agent=agent3 url=http://127.0.0.13:19362
2026-11-22T01:23:18.820737Z warning attempt ended by the server why='it "said" no=thing' again=True
2026-11-22T01:23:19.820737Z info    stopped
2026-11-22 01:23:19,611 ERROR ci.web.app Exception on request
Traceback (most recent call last):
  File "x.py", line 1, in f
ValueError: 2026
2026-11-22T01:23:20.820737Z error   delivery broken attempt=1.1.1
"""


def test_events_are_read() -> None:
    """With values in quotes; what has another shape is left out."""
    assert list(read_events(LOG)) == [
        Event("agent online", {"agent": "agent3", "url": "http://127.0.0.13:19362"}),
        Event("attempt ended by the server", {"why": 'it "said" no=thing', "again": "True"}),
        Event("stopped", {}),
        Event("delivery broken", {"attempt": "1.1.1"}),
    ]


def test_a_traceback_is_a_problem() -> None:
    """It is shown with the line before it, and ends where the next line begins."""
    (problem,) = problems("server", LOG)
    assert "Exception on request" in problem
    assert problem.endswith("ValueError: 2026")
