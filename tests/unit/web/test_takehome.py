"""What one takes home is what ran, and nothing that is in it can do anything else."""

from __future__ import annotations

import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.model import Build, Status
from ci.web.takehome import commands

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HASH = "bb0cc63eee1af7e4ff83ee77c627027c727fd52c"
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)


def build(url: str = "/srv/demo", commit: str = "main", command: str = "make") -> Build:
    """A build that has ended."""
    return Build(
        7, "demo", url, commit, command, 0, Status.SUCCESS, NOON, commit_hash=HASH, branch="main"
    )


def test_the_whole_of_it() -> None:
    """Clone, exact commit, what is in it, environment and command."""
    assert commands(build(command="make test")) == (
        "git clone -- /srv/demo build-7\n"
        "cd build-7\n"
        f"git checkout --detach {HASH}\n"
        "git submodule update --init --recursive\n"
        f"CI=true CI_BUILD_NUMBER=7 CI_COMMIT={HASH} CI_BRANCH=main CI_REPOSITORY=/srv/demo "
        "sh -c 'make test'"
    )


@pytest.mark.parametrize(
    "url", ["https://ada:secret@example.org/demo.git", "https://token@example.org/demo.git"]
)
def test_no_password_is_told(url: str) -> None:
    """Neither in the URL nor in the environment."""
    assert "secret" not in commands(build(url))
    assert "token" not in commands(build(url))
    assert "https://example.org/demo.git" in commands(build(url))


@given(url=TEXT, command=TEXT)
def test_everything_stays_one_word(url: str, command: str) -> None:
    """Whatever stands in it: quotes, line ends, `$(…)`, `;`, or a dash in front."""
    words = shlex.split(commands(build(f"x{url}", command=command)))
    assert words[:3] == ["git", "clone", "--"]
    assert words[-1] == command
    assert words[-3:-1] == ["sh", "-c"]
    assert len(words) == 5 + 2 + 4 + 5 + 5 + 3


def test_a_shell_takes_hostile_words_as_they_are(tmp_path: Path) -> None:
    """Nothing in them is run."""
    evil = "'; touch evil; $(touch evil) `touch evil` \"\n#"
    text = commands(build(evil, command=f"printf %s {shlex.quote(evil)}"))
    stand_ins = "git() { :; }; cd() { :; }; "
    done = subprocess.run(
        ["sh", "-c", stand_ins + text], cwd=tmp_path, capture_output=True, check=True, text=True
    )
    assert done.stdout == evil
    assert list(tmp_path.iterdir()) == []
