"""A link to a line shows that line, in a window of any width."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.real.browser.conftest import PHONE
from tests.real.harness import Server


@pytest.mark.parametrize("width", [PHONE["width"], 390, 640, 1280])
def test_a_linked_line_is_below_what_stays_in_sight(server: Server, page: Page, width: int) -> None:
    """Of one line that line, of a range its first: no bar of the page lies over it.

    With a text that was looked for the bar has the most in it, and so the most rows.
    """
    number = server.submit("seq 1 300")
    server.wait_build(number)
    page.set_viewport_size({"width": width, "height": PHONE["height"]})
    for looked_for, line in (("", "150"), ("", "150-155"), ("q=15&times=1&", "150-155")):
        first, *last = line.split("-")
        anchor = "-".join(f"L{each}" for each in (first, *last))
        page.goto("about:blank")
        page.goto(f"{server.url}/build/{number}?{looked_for}line={line}#{anchor}")
        expect(page.locator("#L150.marked")).to_be_in_viewport()
        assert page.locator("#L150").evaluate(IS_UNCOVERED), f"{line} {looked_for}"


IS_UNCOVERED = """row => {
    const { left, top } = row.getBoundingClientRect();
    const drawn = document.elementFromPoint(left + 5, top + 1);
    return drawn !== null && row.contains(drawn);
}"""
