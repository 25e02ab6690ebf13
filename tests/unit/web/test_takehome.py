"""What one takes home is what ran, and nothing that is in it can do anything else."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.model import Build, Status
from ci.web import takehome

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HASH = "bb0cc63eee1af7e4ff83ee77c627027c727fd52c"
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)


def build(
    url: str = "/srv/demo", commit: str = "main", command: str = "make", commit_hash: str = HASH
) -> Build:
    """A build that has ended."""
    ended = Build(7, "demo", url, commit, command, 0, Status.SUCCESS, NOON, branch="main")
    return replace(ended, commit_hash=commit_hash)


def commands(build: Build) -> str:
    """Return what there is to paste."""
    found = takehome.commands(build)
    assert found is not None
    return found


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of two commits, by their hashes."""

    path: Path
    first: str
    second: str


def git(folder: Path, *words: str) -> str:
    """Run git in a folder and return what it says."""
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", *author, *words], cwd=folder, capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


def repository(path: Path) -> Repository:
    """Make a repository on the branch `main`."""
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    hashes = []
    for subject in ("first", "second"):
        git(path, "commit", "-q", "--allow-empty", "-m", subject)
        hashes.append(git(path, "rev-parse", "HEAD"))
    return Repository(path, *hashes)


def test_the_whole_of_it() -> None:
    """Clone, exact commit, what is in it, environment and command."""
    assert commands(build(command="make test")) == (
        "git clone -- /srv/demo build-7 &&\n"
        "cd build-7 &&\n"
        f"git fetch origin {HASH} &&\n"
        f"git checkout --detach {HASH} &&\n"
        "git submodule update --init --recursive &&\n"
        f"CI=true CI_BUILD_NUMBER=7 CI_COMMIT={HASH} CI_BRANCH=main CI_REPOSITORY=/srv/demo "
        "sh -c 'make test'"
    )


def test_what_nobody_has_found_is_not_taken_home() -> None:
    """Canceled while it waited, or git did not find it: such lines would fail."""
    assert takehome.commands(replace(build(), commit_hash=None)) is None


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
    assert len(words) == 5 + 2 + 4 + 4 + 5 + 5 + 3 + 5  # as many are &&


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


def test_without_the_clone_nothing_is_done(tmp_path: Path) -> None:
    """Who stands in a repository of his own, keeps it as it is."""
    mine = repository(tmp_path / "mine")
    text = commands(build(str(tmp_path / "gone"), command="touch done", commit_hash=mine.first))
    done = subprocess.run(["sh", "-c", text], cwd=mine.path, capture_output=True, check=False)
    assert done.returncode != 0
    assert git(mine.path, "symbolic-ref", "--short", "HEAD") == "main"
    assert not (mine.path / "done").exists()


def test_a_commit_that_no_branch_has_any_more_is_brought(tmp_path: Path) -> None:
    """After a force-push the same is built as before."""
    theirs = repository(tmp_path / "theirs")
    git(theirs.path, "reset", "-q", "--hard", theirs.first)
    for commit_hash, shown in ((theirs.second, "first\nsecond\n"), (theirs.first, "first\n")):
        here = tmp_path / commit_hash
        here.mkdir()
        one = build(
            theirs.path.as_uri(), command="git log --format=%s --reverse", commit_hash=commit_hash
        )
        done = subprocess.run(
            ["sh", "-c", commands(one)], cwd=here, capture_output=True, check=True, text=True
        )
        assert done.stdout.endswith(shown)
        assert git(here / "build-7", "rev-parse", "HEAD") == commit_hash
