"""A log in the browser: followed until the reader scrolls, whole on a phone."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.real.browser.conftest import PHONE
from tests.real.harness import Server


def test_the_log_is_followed_until_the_reader_scrolls(server: Server, page: Page) -> None:
    """At its end the page stays at its end; where the reader scrolled to, it stays there."""
    number = server.submit("for i in $(seq 1 400); do echo line $i; sleep 0.02; done; sleep 60")
    page.goto(f"{server.url}/build/{number}#end")
    # One refresh may add more lines than a window shows, so only the last one must be seen.
    expect(page.locator("#L300")).to_be_attached()
    expect(page.locator("#end")).to_be_in_viewport()
    expect(page.locator("#L400")).to_be_in_viewport()
    server.post(f"/api/builds/{number}/cancel")

    number = server.submit("seq 1 200; for i in $(seq 1 200); do echo line $i; sleep 0.05; done")
    page.goto(f"{server.url}/build/{number}#end")
    expect(page.locator("#L210")).to_be_attached()
    page.locator("#L20").scroll_into_view_if_needed()
    page.mouse.wheel(0, -50)
    before = page.evaluate("scrollY")
    expect(page.locator("#L300")).to_be_attached()
    assert abs(page.evaluate("scrollY") - before) < 200
    server.post(f"/api/builds/{number}/cancel")


def test_a_large_line_number_stands_beside_its_line(server: Server, page: Page) -> None:
    """On a phone, too: a number of seven digits does not reach into the text."""
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    number = server.submit("seq 1000001")
    server.wait_build(number)
    page.goto(f"{server.url}/build/{number}#end")
    row = page.locator("#L1000001")
    expect(row).to_contain_text("1000001")
    overhang = row.locator("a").evaluate("a => a.scrollWidth - a.clientWidth")
    assert overhang <= 0, f"the number stands out by {overhang} px"
