"""Measure the way of a line from the command's write to the browser.

    python bench/line_to_screen.py --lines 30

A command prints the time of day, line by line; Chromium shows the build's page and notes, by its
own clock on the same machine, when each line came into the document. Prints one line of JSON with
the median and the worst, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from playwright.sync_api import sync_playwright

from tests.find_browser import find_browser
from tests.real.harness import Site
from tests.real.repository import Repository

WATCH = """() => {
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=30)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory(prefix="nursery-ci-lines-") as folder, sync_playwright() as p:
        site = Site(Path(folder))
        try:
            repository = Repository(site.folder / "repository")
            repository.commit({"README.md": "A project.\n"})
            server = site.server(repository.path)
            server.start()
            site.agent(server).start()
            server.wait_agents(1)
            browser = p.chromium.launch(executable_path=find_browser())
            page = browser.new_page()
            script = f"sleep 2; for i in $(seq {lines}); do date +%s%3N; sleep 0.73; done"
            number = server.submit(script)
            page.goto(f"{server.url}/build/{number}")
            page.evaluate(WATCH)
            server.wait_build(number, within_s=60 + lines)
            page.wait_for_timeout(3000)
            ways = [shown - sent for sent, shown in page.evaluate("window.seen")]
            browser.close()
        finally:
            site.close()
    print(  # noqa: T201 - the result
        json.dumps(
            {"lines": len(ways), "median_ms": statistics.median(ways), "worst_ms": max(ways)}
        )
    )


if __name__ == "__main__":
    main()
