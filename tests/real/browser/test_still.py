"""Nothing on a page moves while a build waits, runs and ends, but what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.real.harness import Server, held
from tests.real.repository import Repository

WIDTHS: Final = (1280, 390)  # a desk's and a phone's, in pixels
# Of the window's area, times how far that moved, as a part of its height.
HARDLY_SEEN: Final = 0.01
# Chromium tells what has moved though nobody scrolled, typed or pressed anything.
WATCH_SHIFTS: Final = """() => {
    window.shifts = [];
    new PerformanceObserver(seen => {
        for (const shift of seen.getEntries())
            shifts.push([shift.value, ...shift.sources.map(source => {
                const {previousRect: was, currentRect: is, node} = source;
                const name = node?.id || node?.className || node?.nodeName;
                return `${name}: ${was.top}+${was.height} -> ${is.top}+${is.height}`;
            })]);
    }).observe({type: "layout-shift"});
}"""
HEIGHTS: Final = "rows => rows.map(row => row.getBoundingClientRect().height)"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("end", ["exit 0", "echo error: boom; exit 1"])
def test_a_builds_life_moves_nothing(
    server: Server, repository: Repository, page: Page, tmp_path: Path, width: int, end: str
) -> None:
    """On the list and on its own page: what is not known yet has its place from the beginning."""
    repository.commit({"a": "b"}, "Say what came of it in one line that is as long as most are")
    server.wait_build(server.submit("true"))
    first, second = tmp_path / "first", tmp_path / "second"
    for _ in range(2):
        server.wait_build(server.submit(held(first)), "running")
    number = server.submit(f"seq 5; {held(second)}; {end}")
    tabs = (page, page.context.new_page())
    for tab, path in zip(tabs, ("/", f"/build/{number}"), strict=True):
        tab.set_viewport_size({"width": width, "height": 844})
        tab.goto(server.url + path)
        tab.evaluate(WATCH_SHIFTS)
    states = (page.locator(f"#b{number} .status"), tabs[1].locator("#build h1"))
    for state in states:
        expect(state).to_contain_text("waiting")
    heights = page.locator("#builds tbody tr").evaluate_all(HEIGHTS)
    assert len(heights) == number
    assert max(heights) - min(heights) <= 1, "the lines of the list have several heights"
    first.touch()
    server.wait_log(number, b"5")
    for tab, state in zip(tabs, states, strict=True):
        expect(state).to_contain_text("running")
        expect(tab.get_by_text("Say what came of it").first).to_be_visible()
    second.touch()
    for state in states:
        expect(state).to_contain_text("success" if end == "exit 0" else "failure")
    for tab in tabs:
        expect(tab.locator("progress, button.danger")).to_have_count(0)
        shifts = tab.evaluate("shifts")
        assert [shift for shift in shifts if shift[0] > HARDLY_SEEN] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_why_builds_wait_has_its_place_above_the_list(
    server: Server, page: Page, width: int
) -> None:
    """Reasons come and go; what is below them stays where it is."""
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(server.url)
    bar = page.locator("#builds .bar")
    before = bar.bounding_box()
    for label in ("gpu", "fpga", "a-label-of-which-the-name-is-rather-long"):
        server.submit("true", labels=[label])
    expect(page.locator(".fleet .why")).to_have_count(3)
    assert bar.bounding_box() == before
