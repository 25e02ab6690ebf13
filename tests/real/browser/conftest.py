"""What the tests of pages share: a site with one agent, and a tab without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page

from tests.real.harness import Server, Site
from tests.real.repository import Repository

PHONE: Final = {"width": 360, "height": 740}  # a small one


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """A server with one agent that is online."""
    server = site.server(repository.path, default_command="cat README.md")
    server.start()
    agent = site.agent(server, slots=2)
    agent.start()
    server.wait_agents(1)
    return server


@pytest.fixture
def plain_page(browser: Browser) -> Iterator[Page]:
    """A tab without JavaScript."""
    with browser.new_context(java_script_enabled=False) as context:
        yield context.new_page()
