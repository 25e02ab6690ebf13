"""The way from a refusal to what would be allowed, in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.real.harness import Site
from tests.real.repository import Repository


def test_who_is_refused_finds_what_is_allowed(
    site: Site, repository: Repository, plain_page: Page
) -> None:
    """By links and a form, without JavaScript, and without that anything is built."""
    repository.commit({"Makefile": "all:\n\techo made\n"})
    server = site.server(repository.path, commands="make *")
    server.start()
    agent = site.agent(server)
    agent.start()
    server.wait_agents(1)
    page = plain_page
    page.goto(server.url)
    page.get_by_label("Command").fill("make && id")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#build h1")).to_contain_text("error")
    expect(page.locator("#build")).to_contain_text("& (another command)")
    page.get_by_role("link", name="What would be allowed?").click()
    expect(page.get_by_label("Command", exact=True)).to_have_value("make && id")
    expect(page.get_by_text("No.")).to_have_count(1)
    expect(page.get_by_text("Its own rules allow it.")).to_have_count(1)
    page.get_by_label("Command", exact=True).fill("make 'all'")
    page.get_by_role("button", name="Judge").click()
    expect(page.get_by_text("Yes, without a shell, as 2 words: make all")).to_have_count(2)
    page.get_by_role("link", name="Builds", exact=True).click()
    page.get_by_role("link", name="some commands").click()
    expect(page.get_by_role("heading", name="Would this be allowed?")).to_be_visible()
    assert len(server.get("/api/builds").json()["builds"]) == 1
