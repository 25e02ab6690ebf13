"""Pages on a phone."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.real.browser.conftest import PHONE
from tests.real.harness import Server
from tests.real.repository import Repository


@pytest.mark.parametrize("path", ["/", "/build/1", "/agents", "/nowhere"])
def test_a_phone_needs_no_sideways_scrolling(server: Server, browser: Browser, path: str) -> None:
    """Neither the list, nor a build with long words, nor any other page is wider than it."""
    server.submit(f"echo {'long' * 100}; echo {'word ' * 100}")
    server.wait_build(1)
    with browser.new_context(viewport=PHONE) as context:  # type: ignore[arg-type]  # a TypedDict
        page = context.new_page()
        page.goto(server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("page_of", ["", "/why"])
def test_a_long_subject_hides_nothing(
    server: Server, repository: Repository, page: Page, page_of: str
) -> None:
    """What happened is on the first screen; the whole subject is unfolded by pressing it."""
    repository.commit({"a": "b"}, "A subject that does not end " * 60)
    number = server.submit("exit 1", "main")
    server.wait_build(number)
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    page.goto(f"{server.url}/build/{number}{page_of}")
    expect(page.locator(".verdict")).to_be_in_viewport(ratio=1)
    subject = page.locator("p.subject")
    folded = subject.evaluate(HEIGHT)
    assert folded < 60
    subject.click()
    assert subject.evaluate(HEIGHT) > 5 * folded


HEIGHT: Final = "element => element.getBoundingClientRect().height"
