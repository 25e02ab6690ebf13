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
        (-11, "", "SIGSEGV ended it"),
        (-35, "", "signal 35 ended it"),
    ],
    ids=["ssh", "long", "no fatal", "silent", "crashed", "odd"],
)
def test_why_it_gave_up_comes_first(code: int, said: str, shown: str) -> None:
    """A person reads the first line, a list shows no more."""
    assert last_words(Answer(code, b"", said)) == shown


def test_a_long_story_is_cut_at_its_end() -> None:
    """Not at the word that says why."""
    shown = last_words(Answer(1, b"", "x" * 5000 + "\nfatal: because\n"))
    assert shown.startswith("fatal: because\nxxx")
    assert len(shown) == 1000


@pytest.mark.parametrize(
    ("code", "said", "named"),
    [
        (-9, "", "SIGKILL ended it"),
        (-15, "fatal: whatever\n", "SIGTERM ended it"),
        (137, "Killed\n", "SIGKILL ended it"),
        (128, "error: index-pack died of signal 9\nfatal: invalid output\n", "SIGKILL ended it"),
        (128, "fatal: Out of memory, malloc failed (tried to allocate 1 bytes)\n", "malloc failed"),
        (128, "error: cannot fork() for x: Resource temporarily unavailable\n", "cannot fork"),
        (128, "fatal: failed to map: Cannot allocate memory\n", "failed to map"),
        (-11, "", ""),
        (129, "usage: git\n", ""),
        (128, "fatal: repository not found\n", ""),
        (128, "remote: error: pack-objects died of signal 9\nfatal: early EOF\n", ""),
        (128, "remote: fatal: Out of memory, malloc failed\n", ""),
        (0, "warning: Too many open files\n", ""),
    ],
)
def test_what_has_nothing_to_do_with_the_work_is_told_apart(
    code: int, said: str, named: str
) -> None:
    """The same may work in a moment: not what the remote says of itself, nor a crash."""
    words = Answer(code, b"", said).interruption
    assert named in words
    assert bool(words) is bool(named)
