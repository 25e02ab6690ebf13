"""A person reads a log: marks lines, folds sections, looks for a text; also without JavaScript."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.real.harness import Server, held

FOLDED = "--- one\\n1a\\n1b\\n--- two\\n2a\\n"


def test_numbers_mark_lines_without_javascript(server: Server, plain_page: Page) -> None:
    """One press marks a line, a second one the range; the address leads back to it."""
    page = plain_page
    number = server.submit("seq 1 5000; exit 1")
    server.wait_build(number)
    page.goto(f"{server.url}/build/{number}?line=3000#L3000")
    expect(page.locator("#L3000")).to_be_in_viewport()
    page.locator("#L3003 > a").click()
    expect(page).to_have_url(f"{server.url}/build/{number}?line=3000-3003#L3000-L3003")
    expect(page.locator(".line.marked")).to_have_count(4)
    expect(page.locator("#L3000")).to_be_in_viewport()


def test_a_text_is_looked_for_in_a_log_longer_than_the_page(
    server: Server, plain_page: Page
) -> None:
    """All lines with it are listed; one of them leads to its place."""
    page = plain_page
    number = server.submit("seq 1 9000; echo a needle; seq 1 9000; echo a needle")
    server.wait_build(number)
    page.goto(f"{server.url}/build/{number}")
    page.get_by_label("Find in the log").fill("needle")
    page.get_by_label("Find in the log").press("Enter")
    expect(page.locator("mark")).to_have_count(2)
    page.get_by_role("link", name="9001", exact=True).click()
    expect(page.locator("#L9001.marked")).to_be_in_viewport()
    page.get_by_role("link", name="match →").click()
    expect(page.locator("#L18002.marked")).to_be_in_viewport()


def test_sections_stay_as_the_reader_left_them_while_the_log_grows(
    server: Server, page: Page, tmp_path: Path
) -> None:
    """What comes goes into the section that grows; a closed one stays closed."""
    go, stop = tmp_path / "go", tmp_path / "stop"
    number = server.submit(
        f"printf %b '{FOLDED}'; {held(go)}; echo 2b; echo ::endgroup::; echo free; {held(stop)}"
    )
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#F4")).to_contain_text("2a")
    expect(page.locator("#L2")).not_to_be_visible()
    page.locator("#F1 > summary > span").click()
    expect(page.locator("#L2")).to_be_visible()
    page.locator("#F4 > summary > span").click()
    go.touch()
    expect(page.locator(".line", has_text="free")).to_be_visible()
    expect(page.locator("#F4 #L6")).to_contain_text("2b")
    expect(page.locator("#F4 .line")).to_have_count(4)
    expect(page.locator("#L6")).not_to_be_visible()
    expect(page.locator("#L2")).to_be_visible()
    stop.touch()
    expect(page.locator("#build h1")).to_contain_text("success")
    expect(page.locator("#L2")).to_be_visible()


def test_a_link_to_a_line_in_a_closed_section_opens_it(server: Server, plain_page: Page) -> None:
    """By the browser where it is only a fragment, by the server where the line is named."""
    page = plain_page
    number = server.submit(f"printf %b '{FOLDED}'")
    server.wait_build(number)
    for address in (f"/build/{number}#L3", f"/build/{number}?line=3#L3"):
        page.goto("about:blank")
        page.goto(server.url + address)
        expect(page.locator("#L3")).to_be_visible()
