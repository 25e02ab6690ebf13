"""A real machine that has no file or process left for a while."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from ci.agent import runner
from ci.agent.spool import Folder
from tests.real.agent.scene import Server, build
from tests.real.harness import Program, wait_until
from tests.real.repository import Repository


@contextmanager
def no_files(agent: Program) -> Iterator[None]:
    """Let the agent open nothing, until it has said so."""
    assert agent.process is not None
    pid, said = agent.process.pid, agent.words.count("machine short")
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
        wait_until(lambda: agent.words.count("machine short") > said, "it says so")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("command", ["sleep 2; exit 3", "sleep 99"])
def test_a_build_goes_on_and_nothing_of_it_is_left(
    agent: Program, server: Server, repository: Repository, command: str
) -> None:
    """Its end is the command's own, and what survives it is not believed gone but ended."""
    agent.start()
    assert build(agent, repository, f"sleep 4321 & echo $$; {command}", timeout_s=3) == 202
    wait_until(lambda: "command started" in agent.words, "it runs")
    with no_files(agent):
        pass
    result = wait_until(lambda: server.results.get("1.1.1"), "the result")
    assert result is not None
    expected = ("error", "timeout") if "99" in command else ("failure", "exited")
    assert (result["status"], result["reason"]) == expected
    leader = int(server.logs["1.1.1"])
    assert not psutil.pid_exists(leader)
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "4321"]
    ]


def test_a_supervisor_without_a_process_for_the_command_says_so() -> None:
    """It has not begun, which is no verdict on it, nor was it killed: it may be started again."""
    # Root may always start one more; whoever else it is, he may read nothing of pytest's.
    other = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    limit = [*(other if os.geteuid() == 0 else []), "prlimit", "--nproc=1:1"]
    script = Path(runner.__file__).with_name("supervise.sh")
    with TemporaryDirectory() as name, script.open("rb") as words:
        folder = Folder(Path(name))
        folder.path.chmod(0o777)
        subprocess.run([*limit, "sh", "-s", name, name, "true"], stdin=words, check=False)
        assert folder.pid() is not None
        assert folder.exit_code() is None
        assert folder.never_began()
        words.seek(0)
        subprocess.run(["sh", "-s", name, name, "sh", "-c", "exit 3"], stdin=words, check=False)
        assert folder.exit_code() == 3
        assert not folder.never_began()
