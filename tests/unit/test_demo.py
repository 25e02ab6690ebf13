"""The demo repository: green on `main`, red on `broken`, made once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ci.demo import DEMO_BROKEN, DEMO_COMMAND, DEMO_COMMIT, make_demo
from ci.errors import StoreError


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def _build(demo: Path, commit: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    """Do what an agent does: a clone of its own, the commit, the command."""
    _git(demo, "clone", "--quiet", "--branch", commit, str(demo), str(workspace))
    return subprocess.run(
        ["sh", "-c", DEMO_COMMAND],
        cwd=workspace,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished demo repository, which no test changes."""
    return make_demo(tmp_path_factory.mktemp("demo") / "data" / "demo")


def test_the_first_press_of_run_is_green(demo: Path, tmp_path: Path) -> None:
    """The command that the form begins with succeeds, with colours, in some seconds."""
    built = _build(demo, DEMO_COMMIT, tmp_path / "workspace")
    assert built.returncode == 0, built.stdout
    assert "\x1b[1;32mAll good.\x1b[0m" in built.stdout
    assert _git(tmp_path / "workspace", "status", "--porcelain") == ""


def test_the_broken_branch_is_red_and_says_why(demo: Path, tmp_path: Path) -> None:
    """The log names the test, the value that came out and the one that was expected."""
    built = _build(demo, DEMO_BROKEN, tmp_path / "workspace")
    assert built.returncode != 0
    assert "a discount rounds to the nearest cent" in built.stdout
    assert "AssertionError: '16.96' != '16.97'" in built.stdout
    assert "All good" not in built.stdout


def test_it_is_the_same_on_every_machine(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No git configuration is needed, and none that is there changes a hash."""
    (tmp_path / ".gitconfig").write_text(
        "[user]\nname = Somebody\nemail = x@example.org\n[core]\nautocrlf = true\n"
        "[init]\ndefaultBranch = trunk\n[commit]\ngpgSign = true\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    again = make_demo(tmp_path / "again")
    monkeypatch.delenv("GIT_DIR")
    for commit in (DEMO_COMMIT, DEMO_BROKEN):
        assert _git(again, "rev-parse", commit) == _git(demo, "rev-parse", commit)
    assert _git(again, "symbolic-ref", "--short", "HEAD") == DEMO_COMMIT


def test_a_demo_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Somebody may have tried a commit of their own in it."""
    demo = make_demo(tmp_path / "demo")
    (demo / "notes").write_text("mine")
    assert make_demo(tmp_path / "demo") == demo
    assert (demo / "notes").read_text() == "mine"


def test_an_interrupted_attempt_is_begun_again(tmp_path: Path) -> None:
    """Half a repository never stands in the demo's place."""
    half = tmp_path / ".demo-unfinished"
    (half / ".git").mkdir(parents=True)
    (half / ".git" / "index.lock").touch()
    demo = make_demo(tmp_path / "demo")
    assert _git(demo, "rev-parse", "--verify", DEMO_BROKEN)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_without_git_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names what is missing and what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match=r"^the demo repository needs git; install it.*$"):
        make_demo(tmp_path / "demo")
