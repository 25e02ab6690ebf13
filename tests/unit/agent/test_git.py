"""What of git's many words is shown."""

from __future__ import annotations

import pytest

from ci.agent.git import Answer, last_words

SSH = """\
hint: Using 'master' as the name
ssh: connect to host git.example port 22: Connection refused
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""


@pytest.mark.parametrize(
    ("code", "said", "shown"),
    [
        (
            128,
            SSH,
            (
                "fatal: Could not read from remote repository.\n"
                "ssh: connect to host git.example port 22: Connection refused\n"
                "Please make sure you have the correct access rights\n"
                "and the repository exists."
            ),
        ),
        (1, "fatal: first\n" + "more\n" * 9, "fatal: first" + "\nmore" * 5),
        (1, "error: only this\n", "error: only this"),
        (3, "", "exit code 3"),
        (-9, "", "it was ended by signal 9"),
    ],
    ids=["ssh", "long", "no fatal", "silent", "killed"],
)
def test_why_it_gave_up_comes_first(code: int, said: str, shown: str) -> None:
    """A person reads the first line, a list shows no more."""
    assert last_words(Answer(code, b"", said)) == shown


def test_a_long_story_is_cut_at_its_end() -> None:
    """Not at the word that says why."""
    shown = last_words(Answer(1, b"", "x" * 5000 + "\nfatal: because\n"))
    assert shown.startswith("fatal: because\nxxx")
    assert len(shown) == 1000
