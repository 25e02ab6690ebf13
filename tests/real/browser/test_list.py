"""The list in the browser: filters that are links, pages of a long history."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.real.browser.history import write_history
from tests.real.harness import Site
from tests.real.repository import Repository

BUILDS = 120  # three pages


@pytest.mark.parametrize("javascript", [True, False])
def test_filter_and_turn_the_pages(
    site: Site, repository: Repository, browser: Browser, javascript: bool
) -> None:
    """By links and by a form, with and without JavaScript; the address says what is shown."""
    server = site.server(repository.path)
    server.start()
    server.stop()
    write_history(server.data, {"project": str(repository.path)}, BUILDS)
    server.start()
    with browser.new_context(java_script_enabled=javascript) as context:
        page = context.new_page()
        page.goto(server.url)
        rows = page.locator("#builds tbody tr")
        expect(rows.first).to_contain_text(f"#{BUILDS}")
        shown = rows.count()
        page.get_by_role("link", name=re.compile("older")).click()
        expect(rows.first).to_contain_text(f"#{BUILDS - shown}")
        page.get_by_role("link", name=re.compile("newest")).click()
        expect(rows.first).to_contain_text(f"#{BUILDS}")
        results = page.get_by_role("navigation", name="The last results").get_by_role("link")
        expect(results).to_have_count(30)
        results.nth(-2).click()
        expect(page).to_have_url(f"{server.url}/build/{BUILDS - 1}")
        page.go_back()
        page.locator(".filters").get_by_role("link", name="failure").click()
        expect(page).to_have_url(re.compile(r"status=failure"))
        failed = rows.count()
        expect(page.locator("#builds tbody tr.failure")).to_have_count(failed)
        page.locator("input[name=q]").fill("make lint")
        page.get_by_role("button", name="Find").click()
        expect(page).to_have_url(re.compile(r"status=failure.*q=make"))
        expect(rows.first).to_contain_text("make lint")
        assert 0 < rows.count() < failed
