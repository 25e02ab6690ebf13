"""A build mounts what is precious into its workspace, and leaves it there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.agent.scene import Server, build
from tests.real.harness import Program, wait_until
from tests.real.repository import Repository


@pytest.fixture
def precious(tmp_path: Path, agent: Program) -> Iterator[Path]:
    """Make a folder that nobody may empty; what is mounted in the agent's is let go at the end."""
    precious = tmp_path / "precious"
    (precious / "deep").mkdir(parents=True)
    (precious / "deep" / "file").write_text("kept")
    yield precious
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        place = line.split()[4]
        if place.startswith(f"{agent.data}/"):
            subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("place", ["m", "."])
def test_what_is_mounted_in_a_workspace_is_not_removed(
    agent: Program, server: Server, repository: Repository, precious: Path, place: str
) -> None:
    """It may be the machine itself. The log says so, also of the next start, and nothing stops."""
    agent.start()
    command = f"mkdir -p {place} && mount --bind {precious} {place} && echo mounted"
    assert build(agent, repository, command) == 202
    result = wait_until(lambda: server.results.get("1.1.1"), "the result")
    assert result is not None
    assert (result["status"], server.logs["1.1.1"]) == ("success", b"mounted\n")
    wait_until(lambda: "not removed" in agent.words, "it says so")
    agent.kill()
    said = agent.words.count("not removed")
    agent.start()
    wait_until(lambda: agent.words.count("not removed") > said, "it says so again")
    assert (precious / "deep" / "file").read_text() == "kept"
    assert (precious / "deep").stat().st_mode & 0o777 == 0o755
    assert build(agent, repository, "true", "2.1.1") == 202
    wait_until(lambda: server.results.get("2.1.1"), "the next build is done")
    assert "not cleaned" not in agent.words


@pytest.mark.parametrize("place", ["..", "../../spool"])
def test_what_is_mounted_over_a_folder_of_the_agent_is_not_emptied(
    agent: Program, server: Server, repository: Repository, precious: Path, place: str
) -> None:
    """Neither by the agent that runs nor by its next start; meanwhile no build is taken."""
    agent.start()
    mount = f"mount --bind {precious} {place}"
    assert build(agent, repository, mount) == 202
    wait_until(lambda: server.results.get("1.1.1"), "the result")
    wait_until(lambda: "not removed" in agent.words, "it says so")
    assert build(agent, repository, "true", "2.1.1") == 409
    agent.kill()
    said = agent.words.count("Something was mounted over")
    agent.start(wait=False)
    wait_until(lambda: agent.words.count("Something was mounted over") > said, "it says so again")
    assert [path.name for path in precious.iterdir()] == ["deep"]
    assert (precious / "deep" / "file").read_text() == "kept"
