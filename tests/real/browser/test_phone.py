"""Pages on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.real.browser.conftest import PHONE
from tests.real.harness import Server


@pytest.mark.parametrize("path", ["/", "/build/1", "/agents", "/nowhere"])
def test_a_phone_needs_no_sideways_scrolling(server: Server, browser: Browser, path: str) -> None:
    """Neither the list, nor a build with long words, nor any other page is wider than it."""
    server.submit(f"echo {'long' * 100}; echo {'word ' * 100}")
    server.wait_build(1)
    with browser.new_context(viewport=PHONE) as context:  # type: ignore[arg-type]  # a TypedDict
        page = context.new_page()
        page.goto(server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
