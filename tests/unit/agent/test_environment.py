"""What a command sees of its job."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.agent.environment import command_environment
from ci.wire.job import Job


@pytest.mark.parametrize(
    ("repository", "seen"),
    [
        ("https://ada:secret@h/x.git", "https://h/x.git"),
        ("ssh://git@h/x.git", "ssh://git@h/x.git"),
        ("/srv/x.git", "/srv/x.git"),
    ],
)
def test_a_command_sees_no_password_of_its_repository(repository: str, seen: str) -> None:
    """Many print their environment, and whoever looks reads the log."""
    job = Job(id="1.1.1", repository=repository, commit="main", command="true")
    made = command_environment({}, job, "f" * 40, "main", Path("/work"))
    assert made["CI_REPOSITORY"] == seen
    assert not any("secret" in value for value in made.values())
