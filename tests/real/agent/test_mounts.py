"""A build mounts what is precious into its workspace, or over the agent, and leaves it there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.agent.scene import Server, build
from tests.real.harness import Program, wait_until
from tests.real.mount_space import open_mount_space
from tests.real.repository import Repository


@pytest.fixture(autouse=True)
def space(agent: Program) -> Iterator[list[str]]:
    """Let the agent live where its mounts are nobody else's."""
    with open_mount_space() as words:
        agent.prefix = words
        yield words


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Make a folder that nobody may empty, with what an agent's folder has in it."""
    precious = tmp_path / "precious"
    (precious / "deep").mkdir(parents=True)
    (precious / "deep" / "file").write_text("kept")
    (precious / "work" / "thesis").mkdir(parents=True)
    (precious / "spool" / "mails").mkdir(parents=True)
    return precious


def names(folder: Path) -> set[str]:
    """All that is in there."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("place", ["m", "."])
def test_what_is_mounted_in_a_workspace_is_not_removed(
    agent: Program, server: Server, repository: Repository, precious: Path, place: str
) -> None:
    """It may be the machine itself. The log says so, also of the next start, and nothing stops."""
    before = names(precious)
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
    assert names(precious) == before
    assert (precious / "deep").stat().st_mode & 0o777 == 0o755
    assert build(agent, repository, "true", "2.1.1") == 202
    wait_until(lambda: server.results.get("2.1.1"), "the next build is done")
    assert "not cleaned" not in agent.words


@pytest.mark.parametrize("place", ["work", "spool", "mirrors", ".", ".."])
def test_what_is_mounted_over_a_folder_of_the_agent_is_not_touched(
    agent: Program,
    server: Server,
    repository: Repository,
    precious: Path,
    space: list[str],
    place: str,
) -> None:
    """Neither by the agent that runs nor by its next start; meanwhile no build is taken."""
    (precious / agent.data.name / "work" / "thesis").mkdir(parents=True)
    before = names(precious)
    agent.start()
    over = agent.data / place
    assert build(agent, repository, f"mount --bind {precious} {over}; sleep 1") == 202
    wait_until(lambda: "Something was mounted over" in agent.words, "it says so")
    assert build(agent, repository, "true", "2.1.1") == 409
    problem = agent.site.http.get(f"{agent.url}/status").json()["problem"]
    assert "Something was mounted over" in problem
    wait_until(lambda: server.results.get("1.1.1"), "the result")
    agent.kill()
    begin = len(agent.words)
    agent.start(wait=False)
    wait_until(
        lambda: agent.words[begin:].count("mounted over") or "no agent made" in agent.words[begin:],
        "it says so again",
    )
    assert names(precious) - {f"{agent.data.name}/lock", "lock"} == before
    agent.kill()
    subprocess.run([*space, "umount", over.resolve()], check=True)
    agent.start()
    assert build(agent, repository, "true", "3.1.1") == 202
    wait_until(lambda: server.results.get("3.1.1"), "it works again")


def test_what_is_mounted_over_a_mirror_is_not_changed(
    agent: Program, server: Server, repository: Repository, tmp_path: Path
) -> None:
    """Its branches would be pruned; a build that needs the mirror is told, others go on."""
    agent.start()
    assert build(agent, repository, "true") == 202
    wait_until(lambda: server.results.get("1.1.1"), "the mirror is there")
    other = Repository(tmp_path / "other")
    other.commit({"a": "b"})
    other.branch("precious")
    bare = other.bare(tmp_path / "bare.git")
    before = names(bare)
    (mirror,) = (agent.data / "mirrors").glob("*.git")
    assert build(agent, repository, f"mount --bind {bare} {mirror}", "2.1.1") == 202
    wait_until(lambda: server.results.get("2.1.1"), "it is mounted")
    assert build(agent, repository, "true", "3.1.1") == 202
    result = wait_until(lambda: server.results.get("3.1.1"), "the result")
    assert result is not None
    assert "Something is mounted there" in result["message"]
    assert names(bare) == before
    assert build(agent, other, "true", "4.1.1", commit="precious") == 202
    result = wait_until(lambda: server.results.get("4.1.1"), "the result")
    assert result is not None
    assert result["status"] == "success"
