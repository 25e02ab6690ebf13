"""An open page shows what happens by itself, and takes nothing from its reader."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

from tests.real.harness import Server, held, wait_until


def test_the_list_refreshes_by_itself(server: Server, page: Page, tmp_path: Path) -> None:
    """A build that somebody else asked for appears, runs and ends, without a reload."""
    page.goto(server.url)
    expect(page.get_by_text("No builds yet")).to_be_visible()
    page.fill("#command", "half written")
    go = tmp_path / "go"
    number = server.submit(f"{held(go)}; exit 1")
    row = page.locator(f"#b{number}")
    expect(row).to_contain_text("running")
    go.touch()
    expect(row).to_contain_text("failure")
    assert page.input_value("#command") == "half written", "a refresh leaves the form alone"
    page.get_by_role("link", name=f"#{number} failure").click()
    expect(page).to_have_url(f"{server.url}/build/{number}")


def test_a_line_comes_to_the_screen_by_itself(server: Server, page: Page, tmp_path: Path) -> None:
    """From the command's write to the browser, which asks each second."""
    go = tmp_path / "go"
    number = server.submit(f"echo begun; {held(go)}; echo seen")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#log")).to_contain_text("begun")
    expect(page.locator("#log [hx-trigger]")).to_have_attribute("hx-trigger", "every 1s")
    go.touch()
    expect(page.locator("#log")).to_contain_text("seen")


def test_selected_text_stays_selected_while_the_log_grows(server: Server, page: Page) -> None:
    """Lines that are on the page are never drawn again."""
    number = server.submit("for i in $(seq 1 100); do echo line $i; sleep 0.2; done")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#L2")).to_be_visible()
    page.locator("#L2 span").select_text()
    expect(page.locator("#L12")).to_be_attached()
    assert page.evaluate("getSelection().toString()").strip() == "line 2"
    server.post(f"/api/builds/{number}/cancel")


def test_a_restarted_server_needs_no_reload(server: Server, page: Page) -> None:
    """Killed while a page is open and a build runs: page and build go on."""
    number = server.submit("for i in $(seq 1 12); do echo line $i; sleep 0.5; done")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#L3")).to_be_visible()
    server.kill()
    time.sleep(2)
    server.start()
    expect(page.locator("#L12")).to_be_visible()
    expect(page.locator("#build h1")).to_contain_text("success")
    lines = page.locator("#log .line span").all_inner_texts()
    assert [line.strip() for line in lines] == [f"line {i}" for i in range(1, 13)]


def test_pages_say_that_nobody_answers(server: Server, page: Page) -> None:
    """What they show would look like the present. They go on when somebody answers."""
    server.submit("sleep 1000")
    warnings = []
    for path in ("/", "/build/1", "/agents"):
        tab = page.context.new_page()
        tab.goto(f"{server.url}{path}")
        warnings.append(tab.get_by_text("has not answered"))
    for warning in warnings:
        expect(warning).to_be_attached()
        expect(warning).not_to_be_visible()
    server.kill()
    for warning in warnings:
        expect(warning).to_be_visible()
    server.start()
    for warning in warnings:
        expect(warning).not_to_be_visible()


def test_the_tab_shows_the_state(server: Server, page: Page, tmp_path: Path) -> None:
    """Title and icon change while the page is open, on a build's page and on the list."""
    go = tmp_path / "go"
    number = server.submit(f"{held(go)}; exit 1")
    listed = page.context.new_page()
    listed.goto(server.url)
    page.goto(f"{server.url}/build/{number}")
    expect(page).to_have_title(re.compile(r"running"))
    expect(listed).to_have_title(re.compile(r"^1 running"))
    assert drawn_icon(page) == "favicon-running.svg"
    assert drawn_icon(listed) == "favicon.svg", "nothing has ended yet"
    go.touch()
    for tab in (page, listed):
        expect(tab.locator("link[rel=icon][href*=failure]")).to_be_attached()
        assert drawn_icon(tab) == "favicon-failure.svg"
    expect(page).to_have_title(re.compile(r"failure"))
    expect(listed).to_have_title(re.compile(r"^failure · Builds"))


def drawn_icon(page: Page) -> str:
    """Fetch the only icon of a page as the browser would, and name its file."""
    icon = page.locator("link[rel=icon]")
    expect(icon).to_have_count(1)
    kind = icon.evaluate(
        "icon => fetch(icon.href).then(answer => answer.ok && answer.headers.get('Content-Type'))"
    )
    assert kind == "image/svg+xml"
    name: str = icon.evaluate("icon => new URL(icon.href).pathname.split('/').pop()")
    return name


def test_a_refresh_takes_nothing_from_the_reader(server: Server, page: Page) -> None:
    """Focus, selection and place stay; what has not changed is the same element as before."""
    for number in range(8):
        server.submit(f"echo {number}")
    server.wait_build(8)
    page.set_viewport_size({"width": 1000, "height": 400})
    page.goto(server.url)
    row = page.locator("#b2")
    row.locator(".c-number a").focus()
    row.locator(".c-command").select_text()
    row.evaluate("row => { row.isOurs = true }")
    before = row.evaluate(TOP_OF)
    assert page.evaluate("scrollY") > 0, "the page is too low to be scrolled"
    server.submit("echo another")
    expect(page.locator("#b9")).to_contain_text("success")
    assert page.evaluate("document.activeElement.textContent") == "#2"
    assert page.evaluate("getSelection().toString()").strip() == "echo 1"
    assert row.evaluate("row => row.isOurs"), "the row was drawn again"
    assert abs(row.evaluate(TOP_OF) - before) < 1, "it has moved by more than rounding"


def test_what_was_unfolded_stays_open(server: Server, page: Page, tmp_path: Path) -> None:
    """On a build's page and on that of the agents, with what has been typed there."""
    number = server.submit(held(tmp_path / "go"))
    wait_until(lambda: server.build(number)["commit_hash"], "the agent has told the commit")
    agents = page.context.new_page()
    for tab, path in ((page, f"/build/{number}"), (agents, "/agents")):
        tab.goto(f"{server.url}{path}")
        tab.locator("main summary").first.click()
    agents.locator("main details input:visible").fill("half written")
    clock = page.locator(".clock").inner_text()
    heard = agents.locator(".c-when time").get_attribute("datetime")
    expect(page.locator(".clock")).not_to_have_text(clock)
    expect(agents.locator(".c-when time")).not_to_have_attribute("datetime", str(heard))
    for tab in (page, agents):
        expect(tab.locator("main details").first).to_have_attribute("open", "")
    expect(agents.locator("main details input:visible")).to_have_value("half written")


def test_nothing_moves_while_times_tick(server: Server, page: Page, tmp_path: Path) -> None:
    """Neither on the list, nor on a build's page, nor on that of the agents."""
    go = tmp_path / "go"
    number = server.submit(held(go))
    wait_until(lambda: server.build(number)["commit_hash"], "the agent has told the commit")
    tabs = []
    for path in ("/", f"/build/{number}", "/agents"):
        tab = page.context.new_page()
        tab.goto(f"{server.url}{path}")
        tab.evaluate(WATCH_SHIFTS)
        tabs.append(tab)
    # From one digit to two: that is where a column would become wider.
    expect(tabs[0].locator(f"#b{number} .c-took")).to_have_text(re.compile(r"1\d s"))
    expect(tabs[1].locator(".clock")).to_have_text(re.compile(r"1\d s"))
    go.touch()
    for tab in tabs:
        assert tab.evaluate("shifts") == []


TOP_OF: Final = "element => element.getBoundingClientRect().top"
# Chromium itself tells what has moved though nobody scrolled, typed or pressed anything.
WATCH_SHIFTS: Final = """() => {
    window.shifts = [];
    new PerformanceObserver(seen => {
        for (const shift of seen.getEntries())
            shifts.push(...shift.sources.map(source => source.node?.outerHTML ?? "text"));
    }).observe({type: "layout-shift"});
}"""
