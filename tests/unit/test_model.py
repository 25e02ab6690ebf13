"""The table of legal changes, attempt ids, and what may name a commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.model import (
    ATTEMPT_ID,
    LEGAL_CHANGES,
    MAX_COMMIT_CHARS,
    TRY_AGAIN,
    Reason,
    Status,
    attempt_id,
    before,
    commit_problem,
)


def test_the_table_knows_every_status() -> None:
    """No status without a rule."""
    assert set(LEGAL_CHANGES) == set(Status)


def test_an_end_is_for_ever() -> None:
    """A build ends once: from an end there is no way on."""
    ends = {Status.SUCCESS, Status.FAILURE, Status.ERROR, Status.CANCELED}
    assert {status for status in Status if status.ended} == ends
    assert all(not LEGAL_CHANGES[status] for status in ends)


def test_every_status_but_the_first_can_be_reached() -> None:
    """Also from waiting, in some steps; and a lost build waits again."""
    reached = {Status.WAITING}
    while new := {s for old in reached for s in LEGAL_CHANGES[old]} - reached:
        reached |= new
    assert reached == set(Status)
    assert before(Status.WAITING) == {Status.RUNNING}


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_before_is_the_table_read_backwards(old: Status, new: Status) -> None:
    """A conditional UPDATE asks with `before`, so it must not say anything else."""
    assert (old in before(new)) == (new in LEGAL_CHANGES[old])


def test_only_what_the_agent_failed_is_tried_again() -> None:
    """A failing test, a time limit or a missing commit is never retried by itself."""
    assert not TRY_AGAIN & {
        Reason.EXITED,
        Reason.CANCELED,
        Reason.TIMEOUT,
        Reason.SILENCE,
        Reason.CHECKOUT_FAILED,
        Reason.COMMAND_REFUSED,
    }
    assert Reason.AGENT_LOST in TRY_AGAIN


@given(st.integers(1, 10**18 - 1), st.integers(1, 10**9 - 1), st.integers(1, 10**9 - 1))
def test_an_attempt_id_reads_back(build: int, job: int, try_number: int) -> None:
    """`BUILD.JOB.TRY`, each a number without leading zeros."""
    match = ATTEMPT_ID.fullmatch(attempt_id(build, job, try_number))
    assert match
    assert tuple(map(int, match.groups())) == (build, job, try_number)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.1", "1.1.1.1", "0.1.1", "1.01.1", "1.1.1\n", "\u0661.1.1", "-1.1.1", "1.1.x"],
)
def test_nothing_else_is_an_attempt_id(text: str) -> None:
    """An id from outside never becomes a path unless it has this shape."""
    assert not ATTEMPT_ID.fullmatch(text)


@pytest.mark.parametrize(
    "commit",
    [
        "main",
        "v1.0",
        "a" * 40,
        "deadbee",
        "feature/x-1",
        "release-2.0.1+build",
        "users/müller/fix#12",
        "a" * MAX_COMMIT_CHARS,
        "HEAD",
        "dependabot/npm_and_yarn/@types/node-20",
    ],
)
def test_hashes_branches_and_tags_are_commits(commit: str) -> None:
    """Whatever git takes as a name may be asked for."""
    assert commit_problem(commit) is None


@pytest.mark.parametrize(
    "commit",
    [
        "",
        " ",
        "a b",
        "-x",
        "--upload-pack=touch x",
        "--upload-pack=x",
        "../..",
        "..",
        ".",
        "/etc/passwd",
        "a/../b",
        "main..dev",
        "main^",
        "main~1",
        "HEAD@{1}",
        "@",
        "main:README",
        "a\x00b",
        "a\nb",
        "main\n",
        "a\tb",
        "a\x7fb",
        "a\u00a0b",
        "a\u2028b",
        "a\u202eb",
        "\ud800",
        "*",
        "a?",
        "[a]",
        "a\\b",
        "a//b",
        "a/",
        "a.",
        "a.lock",
        "x/.hidden",
        "a" * (MAX_COMMIT_CHARS + 1),
        "a" * 10_000,
    ],
)
def test_nothing_else_is_a_commit(commit: str) -> None:
    """Never an option, a range, a path upwards or a word of a shell; the reason is a phrase."""
    problem = commit_problem(commit)
    assert problem
    assert "\n" not in problem
    assert len(problem) < 120


@given(st.text(max_size=300) | st.from_regex(r"[-./@^~:a-z0-9{}\\ ]{1,12}", fullmatch=True))
def test_what_may_be_a_commit_is_harmless(commit: str) -> None:
    """Whatever passes is one printable word that is neither an option nor a path upwards."""
    if commit_problem(commit) is not None:
        return
    assert commit
    assert commit.isprintable()
    assert commit.split() == [commit]
    assert not commit.startswith(("-", "/", "."))
    assert ".." not in commit
    assert "@{" not in commit
    assert not set(commit) & set("~^:?*[\\\x00\x7f")


@pytest.mark.parametrize("name", ["main", "feature/x-1", "users/müller/fix#12", "a{b}"])
def test_git_agrees(name: str, tmp_path: Path) -> None:
    """The check is no narrower than git's own for these."""
    assert commit_problem(name) is None
    subprocess.run(["git", "check-ref-format", "--branch", name], cwd=tmp_path, check=True)
