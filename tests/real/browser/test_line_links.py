"""A link to a line shows that line, in a window of any width, and if only a fragment names it."""

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


@pytest.mark.parametrize("width", [PHONE["width"], 1280])
def test_what_stands_right_below_the_bar_of_a_log_is_seen(
    server: Server, page: Page, width: int
) -> None:
    """Where a link leads to the bar, as to a list of hits that says how many there are."""
    number = server.submit("seq 1 300")
    server.wait_build(number)
    page.set_viewport_size({"width": width, "height": PHONE["height"]})
    page.goto(f"{server.url}/build/{number}?q=1#logbar")
    note = page.locator(".lines > .note").first
    expect(note).to_contain_text("100 lines with “1”, and there are more.")
    assert note.evaluate(IS_UNCOVERED)


def test_a_fragment_alone_leads_to_lines_that_the_page_does_not_show(
    server: Server, page: Page
) -> None:
    """As people paste it: into a new tab, and into one that shows that build."""
    number = server.submit("seq 1 9000")
    server.wait_build(number)
    build = f"{server.url}/build/{number}"
    page.goto(f"{build}#L20-L10")
    expect(page).to_have_url(f"{build}?line=10-20#L10-L20")
    expect(page.locator(".line.marked")).to_have_count(11)
    expect(page.locator("#L10")).to_be_in_viewport()
    page.goto(f"{build}?times=1&line=10-20#L5000")
    expect(page).to_have_url(f"{build}?times=1&line=5000#L5000")
    expect(page.locator("#L5000.marked")).to_be_in_viewport()
    page.goto(f"{build}?times=1&line=5000#L5002")
    expect(page.locator("#L5002")).to_be_in_viewport()
    expect(page).to_have_url(f"{build}?times=1&line=5000#L5002")
    page.goto(f"{build}#L9009")
    expect(page.locator("main")).to_contain_text("This log has no line 9009")


def test_shift_marks_from_the_line_that_was_pressed_before(server: Server, page: Page) -> None:
    """Up or down, again and again from the first one."""
    number = server.submit("seq 1 300")
    server.wait_build(number)
    build = f"{server.url}/build/{number}"
    page.goto(build)
    page.locator("#L50 > a").click()
    page.locator("#L52 > a").click(modifiers=["Shift"])
    expect(page).to_have_url(f"{build}?line=50-52#L50-L52")
    expect(page.locator(".line.marked")).to_have_count(3)
    page.locator("#L48 > a").click(modifiers=["Shift"])
    expect(page).to_have_url(f"{build}?line=48-50#L48-L50")
    assert len(page.context.pages) == 1, "no window was opened"


IS_UNCOVERED = """row => {
    const { left, top } = row.getBoundingClientRect();
    const drawn = document.elementFromPoint(left + 5, top + 1);
    return drawn !== null && row.contains(drawn);
}"""
