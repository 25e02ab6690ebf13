"""A log in the browser: followed until the reader scrolls, whole on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.real.browser.conftest import PHONE
from tests.real.harness import Server, held


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


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_under_a_reader_when_a_build_goes_red(
    server: Server, page: Page, tmp_path: Path, width: int
) -> None:
    """What the verdict says stands above the log; the line that is read stays where it is."""
    go = tmp_path / "go"
    number = server.submit(f"seq 1 300; {held(go)}; echo error: boom; exit 1")
    page.set_viewport_size({"width": width, "height": PHONE["height"]})
    page.goto(f"{server.url}/build/{number}")
    line = page.locator("#L150")
    line.scroll_into_view_if_needed()
    before = line.evaluate(TOP_OF)
    go.touch()
    expect(page.locator(".verdict")).to_contain_text("error: boom")
    expect(page.locator("#tail")).to_contain_text("exit code 1")
    assert abs(line.evaluate(TOP_OF) - before) < 1, "it has moved by more than rounding"


def test_a_short_log_stays_where_it_is_when_its_build_ends(
    server: Server, page: Page, tmp_path: Path
) -> None:
    """A page that became lower would take who is at its end along."""
    go = tmp_path / "go"
    number = server.submit(f"seq 1 3; {held(go)}")
    page.goto(f"{server.url}/build/{number}#end")
    line = page.locator("#L3")
    expect(line).to_be_attached()
    before = line.evaluate(TOP_OF)
    go.touch()
    expect(page.locator("#build h1")).to_contain_text("success")
    expect(page.locator("#log [hx-get]")).to_have_count(0)
    assert abs(line.evaluate(TOP_OF) - before) < 1, "it has moved by more than rounding"


def test_a_page_that_does_not_follow_says_so(server: Server, page: Page, tmp_path: Path) -> None:
    """At the lower edge of the window, as long as the log grows and one is not at its end."""
    go = tmp_path / "go"
    number = server.submit(f"seq 1 300; {held(go)}")
    page.goto(f"{server.url}/build/{number}")
    follow = page.get_by_role("link", name="not at the end: follow")
    expect(page.locator("#L300")).to_be_attached()
    assert follow.evaluate(IS_SEEN)
    follow.click()
    expect(page.locator("#end")).to_be_in_viewport()
    assert not follow.evaluate(IS_SEEN), "at the end it is under it"
    page.locator("#L150").scroll_into_view_if_needed()
    assert follow.evaluate(IS_SEEN)
    go.touch()
    expect(follow).to_have_count(0)  # of what has a role: it is hidden


def test_where_no_line_has_come_there_is_nothing_to_follow(
    server: Server, page: Page, tmp_path: Path
) -> None:
    """A build that waits does not say that one is not at its end."""
    go, stop = tmp_path / "go", tmp_path / "stop"
    for _ in range(2):  # as many as the agent has slots
        server.submit(held(go))
    number = server.submit(f"echo here; {held(stop)}")
    page.goto(f"{server.url}/build/{number}")
    follow = page.get_by_role("link", name="not at the end: follow")
    expect(page.locator("#tail")).to_contain_text("the build waits")
    expect(follow).to_have_count(0)
    go.touch()
    expect(page.locator("#L1")).to_contain_text("here")
    expect(follow).to_have_count(1)
    stop.touch()


TOP_OF: Final = "element => element.getBoundingClientRect().top"
IS_SEEN: Final = """link => {
    const { left, top, height } = link.getBoundingClientRect();
    return document.elementFromPoint(left + 5, top + height / 2) === link;
}"""


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
