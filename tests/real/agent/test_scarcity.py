"""A real agent that may open no more files for a while."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

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
