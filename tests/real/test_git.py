"""Whole builds of real repositories, over a path and over HTTP, by every kind of name."""

from __future__ import annotations

import pytest

from tests.real.harness import Server, Site
from tests.real.repository import Repository

SHOW = "git log -1 --format=%H; cat README.md; git describe --tags; git status --porcelain"


@pytest.fixture(params=["path", "bare", "http"])
def server(request: pytest.FixtureRequest, site: Site, repository: Repository) -> Server:
    """A server of one repository with a tag and two branches, and an agent."""
    repository.git("tag", "v1")
    repository.branch("feature/x")
    repository.commit({"README.md": "A feature.\n"}, "Feature: <b>ünïcode</b>")
    repository.git("checkout", "--quiet", "main")
    repository.commit({"README.md": "Later.\n"}, "Later")
    url: object = repository.path
    if request.param == "bare":
        url = repository.bare(site.folder / "bare.git")
    if request.param == "http":
        url = request.getfixturevalue("git_url")
    server = site.server(str(url))
    server.start()
    site.agent(server, slots=2).start()
    server.wait_agents(1)
    return server


def test_every_name_of_a_commit(server: Server, repository: Repository) -> None:
    """Full hash, short hash, branch, tag; the page is told what was found."""
    full = repository.git("rev-parse", "v1")
    feature = repository.git("rev-parse", "feature/x")
    for name, found, branch, text in (
        (full, full, "", "A project."),
        (full[:10], full, "", "A project."),
        ("v1", full, "", "A project."),
        ("feature/x", feature, "feature/x", "A feature."),
    ):
        build = server.wait_build(server.submit(SHOW, name))
        assert build["status"] == "success", (name, build["message"])
        assert (build["commit"], build["commit_hash"]) == (name, found)
        assert (build["branch"] or "") == branch
        log = server.log_of(build["number"]).decode().splitlines()
        assert log[:2] == [found, text]
        assert log[2].startswith("v1")
        assert len(log) == 3, "a clean workspace"
    assert build["subject"] == "Feature: <b>ünïcode</b>"
    assert build["author"] == "Ada"


def test_a_branch_that_moved_is_fetched(server: Server, repository: Repository) -> None:
    """A branch is looked up anew for each build."""
    before = server.wait_build(server.submit("true"))["commit_hash"]
    head = repository.commit({"new": "file\n"}, "Newer")
    if server.flags["repository"] != str(repository.path) and "bare" in str(server.flags):
        repository.git("push", "--quiet", str(server.flags["repository"]), "main")
    after = server.wait_build(server.submit("cat new"))
    assert after["status"] == "success", after["message"]
    assert after["commit_hash"] == head != before


def test_a_commit_that_is_not_there(server: Server) -> None:
    """An error with a sentence, not a failure; the log has git's words."""
    build = server.wait_build(server.submit("true", "no-such-branch"))
    assert (build["status"], build["reason"]) == ("error", "checkout_failed")
    assert "no branch, tag or commit no-such-branch" in build["message"]
    assert len(build["attempts"]) == 1


def test_workspaces_are_clean_and_apart(server: Server) -> None:
    """What one build leaves in its workspace, no other sees, at the same time or later."""
    first = server.submit("touch mine; sleep 1; ls; pwd")
    second = server.submit("touch yours; sleep 1; ls; pwd")
    logs = []
    for number in (first, second):
        server.wait_build(number)
        logs.append(server.log_of(number).decode().split())
    assert logs[0][:2] == ["README.md", "mine"]
    assert logs[1][:2] == ["README.md", "yours"]
    assert logs[0][2] != logs[1][2]


def test_the_environment_of_a_command(server: Server, repository: Repository) -> None:
    """The documented variables, and none of the agent's settings."""
    number = server.submit("env | grep ^CI | sort; test -t 0 || echo no terminal; cat")
    assert server.wait_build(number)["status"] == "success"
    lines = server.log_of(number).decode().splitlines()
    values = dict(line.split("=", 1) for line in lines[:-1])
    assert values["CI"] == "true"
    assert values["CI_BUILD_NUMBER"] == str(number)
    assert values["CI_ATTEMPT"] == f"{number}.1.1"
    assert values["CI_COMMIT"] == repository.git("rev-parse", "main")
    assert values["CI_BRANCH"] == "main"
    assert not any(name.startswith(("CI_AGENT_", "CI_SERVER_")) for name in values)
    assert lines[-1] == "no terminal"
