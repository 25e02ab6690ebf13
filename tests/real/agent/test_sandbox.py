"""An agent that holds its builds in: it works as without, and says what is in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.agent.scene import Server, build
from tests.real.agent.test_removed import sleepers
from tests.real.harness import COOKIE, Program, is_alive, wait_until
from tests.real.repository import Repository


@pytest.fixture
def held_in(agent: Program) -> Program:
    """An agent with a sandbox, not yet started."""
    agent.flags["sandbox"] = "bubblewrap"
    agent.flags["sandbox-environment"] = COOKIE  # by which tests find what is left
    return agent


def _result(server: Server, id: str = "1.1.1") -> str:
    wait_until(lambda: id in server.results, f"the result of {id}")
    return server.logs.get(id, b"").decode()


def _without_bubblewrap(agent: Program, folder: Path) -> None:
    """Put a program in the place of bubblewrap that refuses as it does in many a container."""
    fake = folder / "bin" / "bwrap"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    fake.chmod(0o755)
    agent.environment["PATH"] = f"{fake.parent}:{agent.environment['PATH']}"


def test_git_works_on_what_was_checked_out(
    held_in: Program, server: Server, repository: Repository
) -> None:
    """Objects come from the mirror, which it sees and can't change; the variables are there."""
    commit = repository.commit({"file": "text"}, "The subject")
    held_in.start()
    build(
        held_in,
        repository,
        "git log -1 --format=%s; git status --short; git rev-parse origin/main; echo $CI_COMMIT;"
        " echo x > file; git diff --stat | tail -1; git commit -qam 2 2>&1 | head -1; echo $TOKEN",
        env={"TOKEN": "of the job"},
    )
    lines = _result(server).splitlines()
    assert lines[:3] == ["The subject", commit, commit]
    assert "1 file changed" in lines[3]
    assert lines[-1] == "of the job"


def test_a_killed_agent_finds_its_build_again(
    held_in: Program, server: Server, repository: Repository
) -> None:
    """The command goes on without it, and the log has no gap."""
    held_in.start()
    build(held_in, repository, "for i in $(seq 40); do echo line $i; sleep 0.05; done; exit 3")
    wait_until(lambda: b"line 5\n" in server.logs.get("1.1.1", b""), "the log grows")
    held_in.kill()
    held_in.start()
    assert _result(server) == "".join(f"line {n}\n" for n in range(1, 41))
    assert server.results["1.1.1"]["exit_code"] == 3
    wait_until(lambda: not list((held_in.data / "spool").iterdir()), "the folder is gone")
    wait_until(lambda: not list((held_in.data / "work").iterdir()), "all its files are gone")


def test_cancel_ends_daemons_too(held_in: Program, server: Server, repository: Repository) -> None:
    """Whatever they have done to hide."""
    held_in.start()
    build(held_in, repository, "setsid -f sleep 1000.5; setsid sleep 1001.5 & sleep 1002.5")
    found = wait_until(lambda: sleepers(held_in), "they sleep", until=lambda those: len(those) == 3)
    held_in.site.http.post(f"{held_in.url}/cancel", json={"id": "1.1.1"})
    _result(server)
    assert server.results["1.1.1"]["reason"] == "canceled"
    assert not [process for process in found if is_alive(process)]
    assert not sleepers(held_in)


def test_what_it_leaves_leads_the_agent_nowhere(
    held_in: Program, server: Server, repository: Repository, tmp_path: Path
) -> None:
    """Links to the agent's folders and to others, pipes, folders without permission, odd names."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    held_in.start()
    data = held_in.data
    build(
        held_in,
        repository,
        f"for here in . /tmp ~; do ln -s {precious} $here/a; ln -s {data} $here/b;"
        " mkfifo $here/pipe; mkdir -p $here/deep/er; touch $here/deep/er/x $here/'\n -rf';"
        f" chmod 000 $here/deep; done; rm -rf .git; ln -s {precious} .git; rm -rf /tmp ~;"
        f" mv ~ /home/x; ln -s {precious} ~; ln -sf {precious}/file /proc/self/fd/1; true",
    )
    _result(server)
    wait_until(lambda: not list((data / "work").iterdir()), "all its files are gone")
    wait_until(lambda: not list((data / "spool").iterdir()), "the folder is gone")
    assert (precious / "file").read_text() == "keep"
    assert list((data / "mirrors").iterdir())
    build(held_in, repository, "ls -A ~ /tmp; git log --format=ok", "2.1.1")
    assert "ok" in _result(server, "2.1.1")
    assert "deep" not in server.logs["2.1.1"].decode()


def test_memory_of_many_processes_is_one_sum(
    held_in: Program, server: Server, repository: Repository
) -> None:
    """Each has less than it may, and all have more: the build is ended, and told why."""
    held_in.flags["max-memory-bytes"] = 48 << 20
    held_in.start()
    hog = "(head -c 20000000 /dev/zero; sleep 1000.5) | tail -c 20000000"
    build(held_in, repository, f"{hog} & {hog} & {hog} & {hog} & wait")
    _result(server)
    assert server.results["1.1.1"]["reason"] == "killed"
    assert "maxMemoryBytes" in server.results["1.1.1"]["message"]
    assert not sleepers(held_in)


def test_it_says_what_is_in_force(held_in: Program) -> None:
    """In its log when it starts, and to its server."""
    held_in.flags["sandbox-network"] = "false"
    held_in.start()
    (line,) = [line for line in held_in.words.splitlines() if "rules in force" in line]
    assert "bubblewrap, network off" in line
    said = held_in.site.http.get(f"{held_in.url}/status").json()
    assert said["sandbox"].startswith("bubblewrap, network off")


def test_auto_without_bubblewrap_warns_and_works(
    agent: Program, server: Server, repository: Repository, tmp_path: Path
) -> None:
    """Once, with what to install."""
    agent.flags["sandbox"] = "auto"
    _without_bubblewrap(agent, tmp_path)
    agent.start()
    assert agent.words.count("no sandbox") == 1
    assert "No permissions to create new namespace" in agent.words
    assert "apt-get install bubblewrap" in agent.words
    build(agent, repository, "echo done")
    assert _result(server) == "done\n"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "sandbox = 'bubblewrap': there is none (bwrap: No permissions"),
        ({"sandbox-readable": "/nowhere"}, "sandboxReadable: /nowhere is not there"),
    ],
)
def test_bubblewrap_that_does_not_work_is_no_start(
    held_in: Program, tmp_path: Path, flags: dict[str, object], words: str
) -> None:
    """Who has asked for it is never left without."""
    held_in.flags.update(flags)
    _without_bubblewrap(held_in, tmp_path)
    held_in.start(wait=False)
    assert held_in.wait_end() == 2
    assert words in held_in.words
