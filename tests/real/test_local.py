"""`ci local`: a build here, without any server."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.real.cli import Cli, words_of
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


def test_it_is_told_in_json(ci: Cli, repository: Repository) -> None:
    """As a build of a server that is followed: its log, then how it ended, by the same names."""
    done = ci("local", "--json", "--", "printf 'h\\303\\251llo'; exit 4")
    *log, end = (json.loads(line) for line in done.out.splitlines())
    assert "".join(event["text"] for event in log) == "h\u00e9llo"
    assert {event["event"] for event in log} == {"log"}
    assert end["event"] == "build"
    build = end["build"]
    assert (build["status"], build["exit_code"], build["log_size"]) == ("failure", 4, 6)
    assert build["commit_hash"] == repository.git("rev-parse", "HEAD")
    assert done.code == 4


def test_what_git_does_not_know_is_told(ci: Cli) -> None:
    """By its name: that is often why a build is red elsewhere. Not what it ignores."""
    (ci.folder / ".gitignore").write_text("*.pyc")
    for name in ("a.py", "b.py", "b.pyc"):
        (ci.folder / name).touch()
    done = ci("local", "--", "true")
    assert "git does not know .gitignore, a.py, b.py: the build does not have that" in done.err
    assert done.code == 0


@dataclass
class Running:
    """A command that would take long, a daemon that it has started included."""

    words: str
    pids: Path

    def wait_begun(self) -> None:
        """Wait until both run."""
        wait_until(self.alive, "two processes", until=lambda pids: len(pids) == 2)

    def alive(self) -> list[int]:
        """Name those that run."""
        pids = map(int, self.pids.read_text().split() if self.pids.exists() else [])
        return [pid for pid in pids if psutil.pid_exists(pid) and is_alive(psutil.Process(pid))]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    """Such a command."""
    pids = tmp_path / "pids"
    daemon = f"setsid sh -c 'echo $$ >>{pids}; exec sleep 1000' &"
    return Running(f"{daemon} echo $$ >>{pids}; echo begun; sleep 1000", pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_an_interruption_ends_all_of_it(ci: Cli, running: Running, number: signal.Signals) -> None:
    """Daemons included, and leaves nothing behind."""
    terminal = ci.open("local", "--", running.words)
    terminal.wait_shown("begun")
    running.wait_begun()
    terminal.process.send_signal(number)
    assert terminal.wait_end() == 130
    assert running.alive() == []
    assert left(ci) == []
    assert "ending it, with all that it has started" in terminal.shown


def test_a_terminal_that_is_closed_ends_all_of_it(ci: Cli, running: Running) -> None:
    """It can't be written to any more, which must keep nothing from being ended."""
    terminal = ci.open("local", "--", running.words)
    terminal.wait_shown("begun")
    running.wait_begun()
    terminal.hang_up()
    terminal.process.send_signal(signal.SIGHUP)
    assert terminal.process.wait() == 74
    assert running.alive() == []
    assert left(ci) == []


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [("/dev/full", 74, b"the output can't be written: No space left on device"), (None, 141, b"")],
)
def test_output_that_nobody_gets_ends_all_of_it(
    ci: Cli, running: Running, output: str | None, code: int, said: bytes
) -> None:
    """On a full disk, and in a pipe whose reader has gone."""
    with ExitStack() as stack:
        out = stack.enter_context(Path(output).open("wb")) if output else subprocess.PIPE
        process = stack.enter_context(
            subprocess.Popen(
                words_of(["local", "--", f"{running.words} & sleep 1; seq 100000; sleep 1000"]),
                cwd=ci.folder,
                env=ci.environment,
                stdout=out,
                stderr=subprocess.PIPE,
            )
        )
        assert process.stderr is not None
        if process.stdout is not None:
            process.stdout.close()
        assert process.wait() == code
        assert said in process.stderr.read()
    assert running.alive() == []
    assert left(ci) == []


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
