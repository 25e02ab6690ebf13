"""The whole way by keyboard: no mouse, no shortcut that one has to know."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.real.harness import Server

MANY_TABS = 60  # more than any page here has to the place that is looked for


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what bears this name has the focus, and check that one sees it."""
    for _ in range(MANY_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", f"one does not see that {name!r} has the focus"
            return
    raise AssertionError(f"Tab never came to {name!r}")


def test_run_watch_and_cancel_by_keyboard(server: Server, page: Page) -> None:
    """Tab and Enter alone."""
    page.goto(server.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#commit")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("echo typed; sleep 1000")
    tab_to(page, "Run")
    page.keyboard.press("Enter")
    expect(page.locator("#log")).to_contain_text("typed")
    page.goto(server.url)
    tab_to(page, "#1")
    page.keyboard.press("Enter")
    expect(page.locator("#build h1")).to_contain_text("running")
    page.goto(f"{server.url}/build/1")
    tab_to(page, "Cancel")
    page.keyboard.press("Enter")
    expect(page.locator("#build h1")).to_contain_text("canceled")
