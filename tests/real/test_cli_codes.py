"""Exit codes of `ci`, as its documentation tells them: each failure for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.accounts import make_token
from tests.real.cli import Cli
from tests.real.harness import Server, Site
from tests.real.repository import Repository


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """A server that lets `sh` alone be built, and keeps one build waiting."""
    server = site.server(repository.path, commands='["sh *"]', max_waiting_builds=1)
    server.start()
    return server


@pytest.fixture
def ci(site: Site, server: Server, repository: Repository) -> Cli:
    """The command in the work tree of the server's repository."""
    return Cli(site, repository.path, CI_SERVER=server.url)


def test_what_ends_a_build_is_told_apart(ci: Cli, site: Site, server: Server) -> None:
    """Red, and no verdict at all."""
    site.agent(server).start()
    server.wait_agents(1)
    for words, code in (
        (["run", "--wait", "--", "sh", "-c", "exit 7"], 7),
        (["run", "--wait", "--", "sh", "-c", "kill -9 $$"], 137),
        (["run", "--wait", "-c", "nowhere", "--", "sh", "-c", "true"], 125),
        (["run", "--wait", "--", "make"], 125),
        (["run", "--", "make"], 125),
        (["run", "--json", "--", "make"], 125),
        (["log", "-f", "1"], 0),
        (["log", "-f", "--exit-code", "1"], 7),
    ):
        done = ci(*words)
        assert done.code == code, (words, done)
    assert "#7 error · The server's rules don't allow this command" in ci("run", "--", "make").err


def test_a_build_that_takes_too_long_is_told_apart(site: Site, repository: Repository) -> None:
    """As timeout(1) tells it."""
    server = site.server(repository.path, build_timeout_seconds=1)
    server.start()
    site.agent(server).start()
    server.wait_agents(1)
    ci = Cli(site, repository.path, CI_SERVER=server.url)
    assert ci("run", "--wait", "--", "sleep 600").code == 124


def test_what_a_server_refuses_is_told_apart(ci: Cli, server: Server) -> None:
    """From what is wrong before anybody is asked."""
    waiting = ["run", "--", "sh", "-c", "true"]
    assert ci(*waiting).code == 0
    full = ci(*waiting)
    assert full.code == 122
    assert "maxWaitingBuilds" in full.err
    assert ci("cancel", "1").code == 0
    assert ci("log", "-f", "--exit-code", "1").code == 123
    assert ci("cancel", "1").code == 122
    assert ci("show", "99").code == 122
    ci.environment["CI_TOKEN"] = make_token(server, role="viewer")
    assert ci("list").code == 0
    assert ci(*waiting).code == 122
    ci.environment["CI_TOKEN"] = "nci_wrong"
    assert ci("list").code == 122
    server.kill()
    assert ci("list").code == 122


def test_what_makes_no_sense_is_wrong_usage(ci: Cli, tmp_path: Path) -> None:
    """And is not passed over."""
    for words in (
        ["log", "--exit-code", "1"],
        ["run", "--quiet", "--", "make"],
        ["run", "--cancel", "--", "make"],
        ["list", "--server", "nowhere"],
        ["list", "--status", "green"],
    ):
        assert ci(*words).code == 2, words
    ci.folder = tmp_path
    assert ci("local", "--", "true").code == 2
