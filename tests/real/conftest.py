"""Real processes, sockets, git and a browser. Every test has a limit and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.find_browser import find_browser
from tests.real.harness import Site
from tests.real.repository import Repository, open_git_server
from tests.real.small_disk import can_mount

# Not skipped: where no disk can be mounted, a story has the same promises.
collect_ignore = [] if can_mount() else ["test_server_disk.py"]

# What is said of a server that is away, goes in the midst of an answer, or is slow as its machine.
_SERVER_IS_AWAY: Final = re.compile(r"net::ERR_|Failed to fetch|network error|htmx:error: timeout")
_PATIENCE_MS: Final = 60_000  # who waits sees it at once: only a failure takes so long


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Make room for servers and agents; their logs are shown when the test fails."""
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    try:
        yield site
    finally:
        site.close()
        for program in site.programs:
            print(f"--- {program.log.name}\n{program.words}")  # noqa: T201 - pytest keeps it


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Make a repository with one commit on `main`."""
    repository = Repository(tmp_path / "repositories" / "project")
    repository.commit({"README.md": "A project.\n"}, "Begin")
    return repository


@pytest.fixture
def git_url(tmp_path: Path, repository: Repository) -> Iterator[str]:
    """Serve `repository` over HTTP and give its URL."""
    with open_git_server(repository.path.parent) as url:
        yield f"{url}/{repository.path.name}/.git"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium. Only for plain tests: Playwright runs an event loop of its own meanwhile."""
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(),
            timeout=_PATIENCE_MS,
            args=[
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--no-proxy-server",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open an empty tab; a script error or a blocked resource fails the test at its end."""
    with browser.new_context() as context:
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                # A server that a test stops is no mistake of the page.
                if message.type == "error" and not _SERVER_IS_AWAY.search(message.text)
                else None
            ),
        )
        yield page
        assert not complaints
