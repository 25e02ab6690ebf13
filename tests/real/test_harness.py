"""The tools of the other tests in this folder do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.real.harness import COOKIE, Site, clean_environment, wait_until
from tests.real.repository import Repository


def test_waiting_says_what_it_waited_for() -> None:
    """A test that fails by time says why."""
    with pytest.raises(AssertionError, match=r"not within 0.05 s: it rains; last seen: 'dry'"):
        wait_until(lambda: "dry", "it rains", 0.05, until=lambda seen: seen == "wet")


def test_nothing_survives_a_site(tmp_path: Path) -> None:
    """Neither a child of a child in a session of its own, nor one that changed its environment."""
    site = Site(tmp_path)
    script = "sleep 1000 & setsid sleep 1001 & env -i sleep 1002 & wait"
    with subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=site.environment) as started:
        wait_until(lambda: len(site.survivors()) >= 4, "all have begun")
        site.close()
    assert started.returncode
    wait_until(lambda: not site.survivors(), "all are gone")


def test_a_repository_over_http_can_be_cloned(
    repository: Repository, git_url: str, tmp_path: Path
) -> None:
    """By the protocol that a git host speaks."""
    commit = repository.commit({"data": "x" * 3_000_000}, "Big")
    target = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "--quiet", git_url, str(target)], env=clean_environment(), check=True
    )
    assert (target / ".git" / "refs" / "heads" / "main").read_text().strip() == commit


def test_a_page_opens_in_the_browser(page: Page) -> None:
    """Chromium is there and runs scripts."""
    page.goto("data:text/html,<h1>hello</h1><script>document.title = 1 + 1</script>")
    assert page.title() == "2"
    assert page.text_content("h1") == "hello"


def test_programs_see_no_settings_of_the_developer(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what a test gives them."""
    monkeypatch.setenv("CI_SERVER_PORT", "1")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert not {"CI_SERVER_PORT", "GIT_DIR", "CI"} & set(clean_environment())
    assert site.environment[COOKIE] == site.cookie
    done = subprocess.run(
        [sys.executable, "-c", "import ci; print(ci.__file__)"],
        cwd=site.folder,
        env=site.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()).name == "__init__.py"


def test_programs_can_be_killed_and_started_again(site: Site, git_url: str) -> None:
    """On the port and with the data of their last life, so that a running build goes on."""
    server = site.server(git_url, heartbeat_seconds=0.5)
    server.start()
    agent = site.agent(server)
    agent.start()
    server.wait_agents(1)
    build = server.submit("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.3; done")
    server.wait_log(build, b"2\n")
    ports = server.port, agent.port
    agent.kill()
    server.kill()
    assert not server.running
    server.start()
    agent.start()
    assert (server.port, agent.port) == ports
    assert server.wait_build(build)["status"] == "success"
    assert server.log_of(build) == b"1\n2\n3\n4\n5\n6\n7\n8\n"
    assert agent.stop() == 0
    assert server.stop() == 0
