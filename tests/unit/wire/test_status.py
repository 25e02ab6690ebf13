"""`GET /status` and `POST /cancel`."""

from __future__ import annotations

import pytest

from ci.errors import Rejected
from ci.wire.status import AgentStatus, read_cancel, read_status


def test_an_agent_of_this_project_says_what_it_does() -> None:
    """Its attempts, its slots, its load."""
    status = read_status(
        b'{"boot_id": "b", "slots": 2, "attempts": [{"id": "7.1.1", "log_size": 5}],'
        b' "load": 0.5, "disk_free": 1000, "draining": true, "isBusy": true}'
    )
    assert status.attempts is not None
    assert [(a.id, a.log_size) for a in status.attempts] == [("7.1.1", 5)]
    assert (status.boot_id, status.slots, status.load) == ("b", 2, 0.5)
    assert (status.disk_free, status.draining) == (1000, True)


@pytest.mark.parametrize("body", [b"", b"pong", b"<html>", b"[]", b'{"slots": "many"}', b"\xff"])
def test_any_answer_means_alive(body: bytes) -> None:
    """Agents of others answer what they like, and it says nothing of their attempts."""
    assert read_status(body) == AgentStatus()
    assert read_status(body).attempts is None


def test_nothing_said_of_attempts_is_not_no_attempts() -> None:
    """Else a running build of somebody else's agent would be given up."""
    assert read_status(b"{}").attempts is None
    assert read_status(b'{"attempts": []}').attempts == ()


@pytest.mark.parametrize("body", [b'{"id": "7.1.1"}', b'{"buildId": "7.1.1"}'])
def test_a_cancel_names_its_attempt(body: bytes) -> None:
    """In either spelling."""
    assert read_cancel(body).id == "7.1.1"


@pytest.mark.parametrize("body", [b"{}", b'{"id": null}', b'{"id": {"a": 1}}'])
def test_a_cancel_without_one_is_refused(body: bytes) -> None:
    """It names the field."""
    with pytest.raises(Rejected) as error:
        read_cancel(body)
    assert error.value.field == "id"
