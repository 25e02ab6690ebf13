"""The way of a line, from the command's write to the server and to the browser.

A command prints the time of day, line by line, and whoever sees a line compares that with the time
that it is then: Chromium, when the line has come into the document of a build's page (`screen_ms`),
and a client that asks each 5 ms for what is new in the raw log (`server_ms`).
"""

from __future__ import annotations

import time
from typing import Final

from playwright.sync_api import sync_playwright

from bench.figures import Figures, figure
from bench.stage import LOOK_S, Stage
from tests.find_browser import find_browser
from tests.real.harness import ENDED

BEGIN_S: Final = 2.0  # the page is there by then
APART_S: Final = 0.43  # between two lines; in no step with the seconds in which pages ask
AFTER_MS: Final = 3000  # the last line has come by then
WATCH: Final = """() => {
    window.seen = [];
    new MutationObserver(() => {
        for (const line of document.querySelectorAll("#log .line:not([data-seen])")) {
            line.dataset.seen = "1";
            const sent = parseFloat(line.querySelector("span").textContent);
            if (!window.seen.some(([other]) => other === sent)) {
                window.seen.push([sent, Date.now()]);
            }
        }
    }).observe(document.body, {childList: true, subtree: true});
}"""


def measure(stage: Stage) -> Figures:
    """Let two builds print, one for each who looks."""
    stage.start()
    stage.wait_end(stage.submit("true"))
    lines = stage.pick(3, 40, 120)
    command = f"sleep {BEGIN_S}; for i in $(seq {lines}); do date +%s%3N; sleep {APART_S}; done"
    return {
        "server_ms": figure(_to_server(stage, command)),
        "screen_ms": figure(_to_screen(stage, command, lines)),
    }


def _to_server(stage: Stage, command: str) -> list[float]:
    number = stage.submit(command)
    ways: list[float] = []
    read = 0
    while True:
        has_ended = stage.json(f"/api/builds/{number}")["status"] in ENDED
        log = stage.ask(f"/api/builds/{number}/log")
        now_ms = time.time() * 1000
        *new, rest = log[read:].split(b"\n")
        ways += (now_ms - float(line) for line in new)
        read = len(log) - len(rest)
        if has_ended:
            return ways
        time.sleep(LOOK_S)


def _to_screen(stage: Stage, command: str, lines: int) -> list[float]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser())
        page = browser.new_page()
        number = stage.submit(command)
        page.goto(f"{stage.server.url}/build/{number}")
        page.evaluate(WATCH)
        stage.server.wait_build(number, within_s=60 + lines)
        page.wait_for_timeout(AFTER_MS)
        ways = [shown - sent for sent, shown in page.evaluate("window.seen")]
        browser.close()
    assert len(ways) == lines, f"{len(ways)} of {lines} lines have come"
    return ways
