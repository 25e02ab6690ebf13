"""`ci local`: a build here, without any server."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.real.cli import Cli
from tests.real.harness import Site, is_alive, wait_until
from tests.real.repository import Repository


@pytest.fixture
def ci(site: Site, repository: Repository, tmp_path: Path) -> Cli:
    """The command in a work tree; its temporary folders are in one of this test."""
    (tmp_path / "tmp").mkdir()
    return Cli(site, repository.path, TMPDIR=str(tmp_path / "tmp"), CI_TOKEN="secret")


def left(ci: Cli) -> list[Path]:
    """Name what a build has left."""
    return list(Path(ci.environment["TMPDIR"]).iterdir())


def test_a_build_runs_as_an_agent_runs_it(ci: Cli, repository: Repository) -> None:
    """On a clean checkout, with the agent's environment; output and exit code are the command's."""
    (repository.path / "README.md").write_text("changed")
    done = ci(
        "local", "--", "cat README.md; echo $CI $CI_BUILD_NUMBER $CI_COMMIT $CI_TOKEN; exit 4"
    )
    assert done.code == 4
    assert done.out == f"A project.\ntrue local {repository.git('rev-parse', 'HEAD')}\n"
    assert "1 file is changed and not committed" in done.err
    assert "sandbox: none" in done.err
    assert done.err.splitlines()[-1].startswith("failure · exit code 4 · ")
    assert left(ci) == []


def test_a_build_is_held_in_by_a_sandbox(ci: Cli, tmp_path: Path) -> None:
    """As an agent's is, wherever that works; a file of the work tree has no say in it."""
    del ci.environment["CI_AGENT_SANDBOX"]
    (ci.folder / "agent-conf.json").write_text('{"sandbox": "none"}')
    secret = tmp_path / "secret"
    secret.write_text("x")
    done = ci("local", "--", f"echo inside; cat {secret}")
    assert done.code == 1
    assert done.out.splitlines()[0] == "inside"
    assert "No such file" in done.out
    assert "sandbox: bubblewrap" in done.err
    assert left(ci) == []


def test_another_commit_can_be_built(ci: Cli, repository: Repository) -> None:
    """By any of its names; one that is not there is no verdict."""
    repository.commit({"README.md": "newer\n"})
    done = ci("local", "--commit", "main~1", "--", "true")
    assert done.code == 125
    first = repository.git("rev-parse", "HEAD~1")
    assert ci("local", "-c", first[:10], "cat", "README.md").out == "A project.\n"
    done = ci("local", "-c", "nowhere", "--", "true")
    assert (done.code, "nowhere" in done.err) == (125, True)
    assert left(ci) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_ends_all_of_it(ci: Cli, tmp_path: Path, number: signal.Signals) -> None:
    """Daemons included, and leaves nothing behind."""
    pids = tmp_path / "pids"
    daemon = f"setsid sh -c 'echo $$ >>{pids}; exec sleep 1000' &"
    terminal = ci.open("local", "--", f"{daemon} echo $$ >>{pids}; echo begun; sleep 1000")
    terminal.wait_shown("begun")
    found = wait_until(
        lambda: pids.read_text().split(), "two processes", until=lambda words: len(words) == 2
    )
    processes = [psutil.Process(int(pid)) for pid in found]
    terminal.process.send_signal(number)
    assert terminal.wait_end() == 130
    assert not [one for one in processes if is_alive(one)]
    assert left(ci) == []
    assert "ending it, with all that it has started" in terminal.shown


def test_a_long_log_is_whole(ci: Cli) -> None:
    """All of it, in order, however fast it comes."""
    done = ci("local", "--", "seq 300000")
    assert done.out == "".join(f"{number}\n" for number in range(1, 300_001))
    assert done.code == 0


def test_elsewhere_there_is_nothing_to_build(ci: Cli, tmp_path: Path) -> None:
    """It says what is needed."""
    ci.folder = tmp_path
    done = ci("local", "--", "true")
    assert (done.code, done.out) == (2, "")
    assert "is in no git work tree with a commit" in done.err
