"""Secrets on a real agent: proven by real git, masked in all that real programs print."""

from __future__ import annotations

import base64
import json
import os
import signal
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import trio

from tests.real.agent.scene import Server, build
from tests.real.agent.test_checkout import COOKIE, Place
from tests.real.harness import Program, wait_until
from tests.real.repository import Repository

VALUE = "s3cr&t/+ %42\nsecond line of it\nthird"
SECRET = {"name": "TOKEN", "value": VALUE, "branches": ["main", "release/*"]}
FORMS = [
    VALUE.encode(),
    VALUE.splitlines()[1].encode(),
    base64.b64encode(VALUE.encode())[:-4],
    quote_plus(VALUE).encode(),
    json.dumps(VALUE)[1:-1].encode(),
]
PRINT = (
    'sleep 0.3; echo "$TOKEN"; printf %s "$TOKEN" | base64; python3 -c \'import os, json,'
    ' urllib.parse as u; t = os.environ["TOKEN"]; print(json.dumps(t), u.quote_plus(t))\';'
    " printf 's3cr&'; sleep 0.5; printf 't/+ %%42\\nsecond line of it\\nthird\\n'; sleep 1;"
    " echo over"
)


@pytest.fixture
def trusting(agent: Program) -> Program:
    """An agent that gives secrets to builds, though there is no sandbox."""
    agent.flags["secrets"] = "always"
    return agent


def traces(folder: Path) -> list[str]:
    """Name the files below a folder that hold the secret in any form."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [
        str(path.relative_to(folder))
        for path in files
        if any(form in path.read_bytes() for form in FORMS)
    ]


def _wait_more(server: Server) -> None:
    seen = len(server.logs.get("1.1.1", b""))
    wait_until(lambda: len(server.logs.get("1.1.1", b"")) > seen or server.results, "the log grows")


@pytest.mark.parametrize("kills", [0, 1, 3])
def test_nothing_of_it_is_seen_though_the_agent_is_killed(
    trusting: Program, server: Server, repository: Repository, kills: int
) -> None:
    """While the command prints it; nor in the agent's files after the end, nor in its own log."""
    repository.commit({"file": "text"})
    trusting.start()
    assert build(trusting, repository, PRINT, secrets=[SECRET]) == 202
    for _ in range(kills):
        _wait_more(server)
        trusting.kill()
        trusting.start()
    wait_until(lambda: "1.1.1" in server.results, "the result")
    log = server.logs["1.1.1"]
    assert not any(form in log for form in FORMS)
    assert log.endswith(b"over\n")
    assert log.count(b"***") >= 4
    assert server.results["1.1.1"]["secrets"] == "It had TOKEN."
    wait_until(lambda: not list((trusting.data / "spool").iterdir()), "the folder is gone")
    assert traces(trusting.data) == []
    assert not any(form in trusting.log.read_bytes() for form in FORMS)


def test_after_the_end_an_agent_without_a_server_has_none(
    trusting: Program, server: Server, repository: Repository
) -> None:
    """What waits for delivery is masked, also when the agent was dead at the command's end."""
    repository.commit({"file": "text"})
    trusting.start()
    build(trusting, repository, "echo go; sleep 1; echo $TOKEN; echo $PPID", secrets=[SECRET])
    wait_until(lambda: b"go" in server.logs.get("1.1.1", b""), "it runs")
    server.down = True
    trusting.kill()
    folder = trusting.data / "spool" / "1.1.1"
    wait_until(lambda: (folder / "exit").read_text().strip(), "the command's end")
    trusting.start()
    wait_until((folder / "result.json").exists, "the end is on disk")
    wait_until(lambda: not list((trusting.data / "work").iterdir()), "its files are gone")
    assert traces(trusting.data) == []
    assert "***" in (folder / "log").read_text()


def test_files_are_for_the_agent_alone(
    trusting: Program, server: Server, repository: Repository
) -> None:
    """And no program is given a secret in its arguments."""
    repository.commit({"file": "text"})
    trusting.start()
    build(trusting, repository, "echo go; sleep 60", secrets=[SECRET])
    wait_until(lambda: b"go" in server.logs.get("1.1.1", b""), "it runs")
    folder = trusting.data / "spool" / "1.1.1"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    # In JSON, which has the ends of lines in two letters.
    assert traces(trusting.data) == ["spool/1.1.1/secrets.json"]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            assert b"second line of it" not in words
    supervisor = int((folder / "pid").read_text())
    os.killpg(supervisor, signal.SIGKILL)
    wait_until(lambda: "1.1.1" in server.results, "the result")


@pytest.fixture
def place(tmp_path: Path, repository: Repository) -> Place:
    """A checkout of a repository with two branches, and a commit that only the other one has."""
    repository.commit({"file": "first"})
    repository.branch("release/1")
    repository.commit({"file": "released"})
    repository.branch("main")
    repository.git("reset", "--quiet", "--hard", "main~0")
    return Place(tmp_path, repository)


async def branches_of(place: Place, commit: str, *asked: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Check a commit out and ask which rules mean a branch that it is on."""
    found = await place.make(commit)
    url = str(place.repository.path)
    with trio.fail_after(60):
        return await place.checkout.find_branches(
            url, found.commit_hash, asked, place.workspace, COOKIE
        )


MAIN, RELEASE, ALL = ("main",), ("release/*",), ("*",)


async def test_a_commit_is_on_the_branches_that_lead_to_it(place: Place) -> None:
    """By whatever name it was asked for."""
    repository = place.repository
    repository.git("checkout", "--quiet", "-b", "feature", "main")
    other = repository.commit({"file": "of a feature"})
    repository.git("tag", "v1", other)
    main = repository.git("rev-parse", "main~1")
    assert await branches_of(place, main, MAIN, RELEASE, ALL) == {MAIN, RELEASE, ALL}
    for name in (other, other[:10], "v1", "feature"):
        assert await branches_of(place, name, MAIN, RELEASE, ALL) == {ALL}


async def test_a_commit_that_no_branch_has_gets_nothing(place: Place) -> None:
    """Such as that of a pull request, or one that was taken back from the branch."""
    repository = place.repository
    repository.git("checkout", "--quiet", "main")
    taken_back = repository.commit({"file": "a mistake"})
    assert await branches_of(place, taken_back, MAIN, ALL) == {MAIN, ALL}
    repository.git("update-ref", "refs/pull/7/head", taken_back)
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    assert await branches_of(place, taken_back, MAIN, RELEASE, ALL) == set()


async def test_a_tag_called_like_a_branch_proves_nothing(place: Place) -> None:
    """Nor does a branch whose name only begins so."""
    repository = place.repository
    repository.git("checkout", "--quiet", "-b", "main2", "main")
    other = repository.commit({"file": "elsewhere"})
    repository.git("tag", "release/9", other)
    repository.git("tag", "main", other)
    assert await branches_of(place, other, MAIN, RELEASE, ("main2",)) == {("main2",)}


@pytest.mark.parametrize("name", ["m\u0430in", "MAIN", "main\u200b", "ma\u00adin", "\uff4dain"])
async def test_a_branch_that_looks_like_another_one_is_not_it(place: Place, name: str) -> None:
    """Names are compared letter by letter, as git does."""
    repository = place.repository
    repository.git("checkout", "--quiet", "-b", name, "main")
    other = repository.commit({"file": "elsewhere"})
    assert await branches_of(place, other, MAIN, RELEASE, ALL) == {ALL}
