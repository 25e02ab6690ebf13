"""A browser without JavaScript: a page is loaded again when its reader wants that."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.real.harness import Server, held


def test_a_log_is_followed_without_javascript(
    server: Server, plain_page: Page, tmp_path: Path
) -> None:
    """By a link at its end; the page loads itself, at the end, until the build has ended."""
    page, go, stop = plain_page, tmp_path / "go", tmp_path / "stop"
    number = server.submit(f"seq 100; {held(go)}; seq 101 200; {held(stop)}; echo over")
    server.wait_log(number, b"100")
    page.goto(f"{server.url}/build/{number}")
    page.get_by_role("link", name=re.compile("each")).click()
    expect(page.get_by_role("link", name="Stop")).to_be_in_viewport()
    go.touch()
    expect(page.locator("#L200")).to_be_in_viewport()
    stop.touch()
    expect(page.locator("#build h1")).to_contain_text("success")
    expect(page.get_by_role("link", name="Stop")).to_have_count(0)


def test_nobody_loads_a_page_in_which_one_types(server: Server, plain_page: Page) -> None:
    """Not while a build runs, either: no page asks the browser for it by itself."""
    server.submit("sleep 1000")
    for path in ("/", "/build/1", "/agents"):
        plain_page.goto(server.url + path)
        expect(plain_page.get_by_role("link", name=re.compile("each"))).to_be_visible()
        expect(plain_page.locator("meta[http-equiv=refresh]")).to_have_count(0)
