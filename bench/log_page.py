"""Measure how quick the page of a very long log is, and whether looking for something hurts others.

    python bench/log_page.py --megabytes 500

A build that has ended gets a log of that length, and the server is started anew: its page is asked
for while nobody has ever counted its lines, and once more after another start, each with the time
until its first byte; then at several places. A text that stands near the end, and errors, are
looked for while somebody else asks for the list.
Prints one line of JSON: milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx

from tests.real.harness import Server, Site
from tests.real.repository import Repository

MEGABYTE = 1_000_000
SEVERAL = 4  # who look for something at the same time
LINES = 100_000  # in the block of which the log consists
RARE = b"the needle in the haystack"
TIMES = 10
ASK_EACH_S = 0.01


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    megabytes = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory(prefix="nursery-ci-log-page-") as folder:
        site = Site(Path(folder))
        try:
            print(json.dumps(run(site, megabytes)))  # noqa: T201 - the result
        finally:
            site.close()


def run(site: Site, megabytes: int) -> dict[str, Any]:
    """Make the log and look at it."""
    repository = Repository(site.folder / "repository")
    repository.commit({"README.md": "A project.\n"})
    server = site.server(repository.path)
    server.start()
    agent = site.agent(server)
    agent.start()
    server.wait_agents(1)
    number = server.submit("echo it fails; exit 2")
    server.wait_build(number)
    agent.stop()
    lines = write_log(server.data / "logs" / "000000" / f"{number}.1.1.log", megabytes)
    server.stop()
    server.start()
    page = f"/build/{number}"
    never_counted = first_byte_ms(server, page)
    server.stop()
    server.start()
    after_start = first_byte_ms(server, page)
    rare = RARE.decode().replace(" ", "+")
    looking = {
        "text": f"{page}?q={rare}",
        "text_to_the_place": f"{page}/find?after=0&q={rare}",
        "common_text": f"{page}?q=module_3",
        "errors": f"{page}/find?after=0",
    }
    return {
        "megabytes": megabytes,
        "lines": lines,
        "page_never_counted": never_counted,
        "page_after_start": after_start,
        "page": typical(server, page),
        "line_in_the_middle": typical(server, f"{page}?line={lines // 2}"),
        "first_line": typical(server, f"{page}?line=1"),
        "list_alone": shown(beside(server, lambda: time.sleep(1))),
        "found": {what: measure_find(server, path) for what, path in looking.items()},
        "errors_by_several": measure_find(server, looking["errors"], SEVERAL),
    }


def write_log(path: Path, megabytes: int) -> int:
    """Put a log of that length at `path`, and return its number of lines."""
    block = b"".join(
        b"step %d: compiled src/module_%d/file.c and found nothing to say\n" % (n, n % 97)
        for n in range(LINES)
    )
    count = megabytes * MEGABYTE // len(block)
    with path.open("wb") as file:
        for _ in range(count):
            file.write(block)
        file.write(RARE + b"\n")
    return count * LINES + 1


def first_byte_ms(server: Server, path: str) -> float:
    """Ask once."""
    began = time.monotonic()
    with server.site.http.stream("GET", server.url + path) as answer:
        assert answer.status_code == httpx.codes.OK, answer.status_code
        pieces = answer.iter_bytes()
        next(pieces)
        took = time.monotonic() - began
        for _ in pieces:
            pass
    return round(took * 1000, 1)


def measure_find(server: Server, path: str, readers: int = 1) -> dict[str, Any]:
    """Look for something, as browsers do that follow; and see how others fare meanwhile."""
    took: list[float] = []

    def look() -> None:
        with httpx.Client(trust_env=False, timeout=None) as http:
            began = time.monotonic()
            answer = http.get(server.url + path, follow_redirects=True)
            assert answer.status_code == httpx.codes.OK, answer.status_code
            took.append((time.monotonic() - began) * 1000)

    def all_look() -> None:
        with ThreadPoolExecutor(readers) as pool:
            for done in [pool.submit(look) for _ in range(readers)]:
                done.result()

    others = beside(server, all_look)
    return {"ms": round(max(took), 1), "list_meanwhile": shown(others) if others else []}


def typical(server: Server, path: str) -> list[float]:
    """Median and worst."""
    return shown([first_byte_ms(server, path) for _ in range(TIMES)])


def beside(server: Server, work: Any) -> list[float]:
    """Ask for the list again and again while `work` is done; milliseconds."""
    over = threading.Event()
    took: list[float] = []

    def ask() -> None:
        with httpx.Client(trust_env=False) as http:
            while not over.wait(ASK_EACH_S):
                began = time.monotonic()
                http.get(server.url + "/")
                took.append((time.monotonic() - began) * 1000)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        work()
    finally:
        over.set()
        thread.join()
    return took


def shown(times: list[float]) -> list[float]:
    """Median and worst."""
    return [round(statistics.median(times), 1), round(max(times), 1)]


if __name__ == "__main__":
    main()
