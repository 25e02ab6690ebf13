"""Somebody tidies up: `rm -rf` of what a working agent needs."""

from __future__ import annotations

import shutil
from contextlib import suppress

import psutil

from tests.real.agent.scene import Server, build
from tests.real.harness import Program, is_alive, wait_until
from tests.real.repository import Repository


def test_its_whole_data_folder(agent: Program, server: Server, repository: Repository) -> None:
    """The build is told, nothing of it runs on, and the next ones are done as before."""
    agent.start()
    assert build(agent, repository, "echo 1; exec sleep 1000.75") == 202
    wait_until(lambda: server.logs.get("1.1.1") == b"1\n", "it runs")
    [sleeper] = wait_until(lambda: sleepers(agent), "it sleeps")
    shutil.rmtree(agent.data)
    result = wait_until(lambda: server.results.get("1.1.1"), "the result")
    assert result is not None
    assert (result["status"], result["reason"]) == ("error", "internal")
    assert f"{agent.data}/spool/1.1.1 was removed while the build ran" in result["message"]
    assert not is_alive(sleeper)
    assert server.logs["1.1.1"] == b"1\n"
    wait_until((agent.data / "lock").exists, "the folder is made again")
    wait_until(lambda: build(agent, repository, "true", "2.1.1") == 202, "it takes builds")
    done = wait_until(lambda: server.results.get("2.1.1"), "the result")
    assert done is not None
    assert done["status"] == "success"
    assert agent.running


def sleepers(agent: Program) -> list[psutil.Process]:
    """The `sleep` of a build; what has not come so far yet is still a shell."""
    found = []
    for process in agent.site.survivors():
        with suppress(psutil.NoSuchProcess):
            if process.name() == "sleep":
                found.append(process)
    return found
