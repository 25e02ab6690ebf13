"""An agent whose disk is full, at each step of an attempt. Only where a disk can be mounted.

`tests/unit/agent/test_room.py` has the same promises on a machine without a disk.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from ci.agent.spool import Folder, Ticket
from ci.model import CommitInfo, Outcome, Reason, Status
from ci.wire.job import Job
from tests.real.agent.scene import Server, build
from tests.real.harness import Program, held, wait_until
from tests.real.repository import Repository
from tests.real.small_disk import SmallDisk, open_small_disk

MB: Final = 1 << 20
DISK_BYTES: Final = 24 * MB
FILE_BYTES: Final = 4 * MB  # of the one large file of the repository, which git can't compress
EAT: Final = "cat /dev/zero >eaten 2>/dev/null"  # all that is free


@pytest.fixture
def disk(tmp_path: Path, agent: Program, repository: Repository) -> Iterator[SmallDisk]:
    """A small disk for the agent's data, and a repository that takes some room on it."""
    (repository.path / "large").write_bytes(_noise(FILE_BYTES))
    repository.commit({"README.md": "A large project.\n"})
    with open_small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        agent.data = disk.folder / "agent"
        agent.flags |= {"data-dir": agent.data, "min-free-bytes": MB}
        agent.start()
        yield disk
        agent.kill()


def result_of(server: Server, id: str = "1.1.1") -> dict[str, Any]:
    """Wait for the result of an attempt."""
    result = wait_until(lambda: server.results.get(id), f"the result of {id}")
    assert result is not None
    return result


def problem_of(agent: Program) -> str:
    """Ask an agent why it takes nothing."""
    problem: str = agent.site.http.get(f"{agent.url}/status").json()["problem"]
    return problem


def test_with_little_room_it_takes_nothing(
    agent: Program, server: Server, repository: Repository, disk: SmallDisk
) -> None:
    """It says why, and takes builds again when there is room, without a restart."""
    disk.fill()
    assert build(agent, repository, "true") == 409
    assert problem_of(agent).startswith(f"0.0 MB free in {agent.data}")
    disk.clear()
    assert problem_of(agent) == ""
    assert build(agent, repository, "true", "1.1.2") == 202
    assert result_of(server, "1.1.2")["status"] == "success"


@pytest.mark.parametrize(
    ("leave", "command"),
    [
        (FILE_BYTES // 2, "true"),
        (FILE_BYTES * 3 // 2, "true"),
        (FILE_BYTES * 3, "head -c 40000000 /dev/zero"),
        (FILE_BYTES * 3, f"{EAT}; exit 3"),
    ],
    ids=["fetch", "checkout", "output", "workspace"],
)
def test_what_fails_for_want_of_room_says_so(
    agent: Program,
    server: Server,
    repository: Repository,
    disk: SmallDisk,
    leave: int,
    command: str,
) -> None:
    """Which folder and what to do; and the next build finds nothing in its way."""
    disk.fill(leave)
    assert build(agent, repository, command) == 202
    result = result_of(server)
    assert (result["status"], result["reason"]) == ("error", "disk_full")
    assert str(agent.data) in result["message"]
    wait_until(lambda: not list((agent.data / "work").glob("*")), "the workspace is gone")
    disk.clear()
    assert build(agent, repository, "cmp -n 1 large README.md || true", "2.1.1") == 202
    assert result_of(server, "2.1.1")["status"] == "success"


def test_an_exit_code_needs_no_room(
    agent: Program, server: Server, repository: Repository, disk: SmallDisk, tmp_path: Path
) -> None:
    """A build that succeeded on a disk that it filled has succeeded, also for the next life."""
    go = tmp_path / "go"
    server.down = True
    build(agent, repository, f"{EAT}; mv eaten ../../eaten; {held(go)}; exit 0")
    wait_until((agent.data / "eaten").exists, "the disk is full")
    agent.kill()
    go.touch()
    exit_file = agent.data / "spool" / "1.1.1" / "exit"
    wait_until(lambda: exit_file.read_text().strip(), "it has ended")
    assert disk.free == 0
    agent.start()
    server.down = False
    assert result_of(server)["status"] == "success"


@pytest.mark.usefixtures("disk")
def test_an_end_is_kept_although_there_is_no_room(
    agent: Program, server: Server, repository: Repository
) -> None:
    """Why it was ended is known to the next life too."""
    server.down = True
    build(agent, repository, f"{EAT}; mv eaten ../../eaten; sleep 60", timeout_s=3)
    folder = agent.data / "spool" / "1.1.1"
    wait_until((folder / "result.json").exists, "it has ended")
    assert not list(folder.glob("*.spare"))
    agent.kill()
    agent.start()
    server.down = False
    assert result_of(server)["reason"] == "timeout"


def test_a_command_can_not_take_the_room_of_its_end(tmp_path: Path) -> None:
    """It writes until it is gone, so whatever became free would be its own at once."""
    outcome = Outcome(Status.ERROR, Reason.TIMEOUT, "m" * 1000, None, None, 2.5, 3)
    job = Job(id="1.1.1", repository="/r", commit="main", command="make")
    with open_small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        folder = Folder(disk.folder / "spool" / "1.1.1")
        folder.create(Ticket(job, "cookie", "boot", 12.5))
        disk.fill()
        folder.save_stop(Reason.TIMEOUT)
        assert disk.free == 0
        with pytest.raises(OSError, match="No space left"):
            folder.save_commit(CommitInfo("a" * 40), 1.5)
        folder.save_outcome(outcome)
        assert (folder.stop(), folder.outcome()) == (Reason.TIMEOUT, outcome)


def test_killed_on_a_full_disk_it_starts_again(
    agent: Program, server: Server, repository: Repository, disk: SmallDisk
) -> None:
    """In mid-fetch, with whatever lies around; when there is room it goes on by itself."""
    disk.fill(FILE_BYTES // 2)
    tries = count(1)

    def ask() -> str | None:
        id = f"1.1.{next(tries)}"  # what an agent has refused it refuses again
        return id if build(agent, repository, "true", id) == 202 else None

    for _ in range(2):
        id = wait_until(ask, "it is taken")
        assert id is not None
        time.sleep(0.05)
        agent.kill()
        agent.start()
        assert result_of(server, id)["reason"] == "disk_full"
    disk.clear()
    build(agent, repository, "true", "3.1.1")
    assert result_of(server, "3.1.1")["status"] == "success"


def _noise(size: int) -> bytes:
    """Bytes that don't compress, the same at each run."""
    return Random(1).randbytes(size)
