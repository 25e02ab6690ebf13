"""Measure how long "why red?" takes for two very long logs, and whether others notice.

    python bench/why.py --megabytes 500
    python bench/why.py --megabytes 100 --kind words

A green and a red build get logs of that length. Then the red one's page is asked for, and again as
it asks by itself, until the news are there, while somebody else asks for the list. Prints one line
of JSON: milliseconds until the page and until the news, and the server's peak memory before and
after in megabytes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx

from bench.log_page import MEGABYTE, beside, shown
from tests.real.harness import Server, Site
from tests.real.repository import Repository

LINES: Final = 100_000  # in the block of which a log consists
LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
ASKS_ON: Final = 'id="why" aria-label="Comparison" hx-get'  # a page whose news are still to come
MOST_S: Final = 300.0  # more is a bug

Line = Callable[[int, random.Random], bytes]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--kind", choices=KINDS, default="usual", help="what the lines are like")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nursery-ci-why-") as folder:
        site = Site(Path(folder))
        try:
            outcome = run(site, arguments.megabytes, KINDS[arguments.kind])
        finally:
            site.close()
    print(json.dumps(outcome))  # noqa: T201 - the result


def run(site: Site, megabytes: int, line: Line) -> dict[str, Any]:
    """Make the logs and compare them."""
    repository = Repository(site.folder / "repository")
    repository.commit({"test.sh": "true"})
    server = site.server(repository.path)
    server.start()
    agent = site.agent(server)
    agent.start()
    server.wait_agents(1)
    numbers = []
    for test in ("true", "false"):
        repository.commit({"test.sh": test})
        numbers.append(server.submit("echo x; sh test.sh"))
        server.wait_build(numbers[-1])
    agent.stop()
    dice = random.Random(7)
    for number, end in zip(numbers, (b"passed\n", b"error: 2 is not 3\n"), strict=True):
        path = server.data / "logs" / "000000" / f"{number}.1.1.log"
        write_log(path, megabytes, end, line, dice)
    server.stop()
    server.start()
    server.get("/")
    before = peak_mb(server)
    first = measure(server, numbers[1])
    return {
        "megabytes": megabytes,
        "first": first,
        "again": measure(server, numbers[1]),
        "list_alone": shown(beside(server, lambda: time.sleep(1))),
        "peak_mb": [before, peak_mb(server)],
    }


def write_log(path: Path, megabytes: int, end: bytes, line: Line, dice: random.Random) -> None:
    """Put a log of that length at `path`."""
    made = 0
    with path.open("wb") as file:
        while made < megabytes * MEGABYTE:
            made += file.write(b"".join(line(number, dice) for number in range(LINES)))
        file.write(end)


def usual(number: int, _dice: random.Random) -> bytes:
    """Make a line as compilers print it."""
    name = b"module_%d" % (number % 97)
    return b"12:34:%02d step %d: compiled src/%s/file.c\n" % (number % 60, number, name)


def words(number: int, dice: random.Random) -> bytes:
    """Make a line of words that no other line has."""
    made = bytes(dice.choices(LETTERS, k=70))
    return b" ".join(made[at : at + 7] for at in range(0, 70, 7)) + b" in %d ms\n" % number


def names(number: int, dice: random.Random) -> bytes:
    """Make one of words with digits, which take longest to compare."""
    return words(number, dice).replace(b"e", b"7").replace(b" ", b"1x ")


KINDS: Final = {"usual": usual, "words": words, "names": names}


def measure(server: Server, number: int) -> dict[str, Any]:
    """Ask for the page until it has its news, and see how others fare meanwhile."""
    took: list[float] = []

    def look() -> None:
        began = time.monotonic()
        page = ask(server, f"/build/{number}/why")
        took.append(time.monotonic() - began)
        while ASKS_ON in page and time.monotonic() - began < MOST_S:
            time.sleep(1)  # as the page does
            page = ask(server, f"/build/{number}/why?part=why")
        took.append(time.monotonic() - began)

    others = beside(server, look)
    page, news = (round(each * 1000, 1) for each in took)
    return {"page_ms": page, "news_ms": news, "list_meanwhile": shown(others) if others else []}


def ask(server: Server, path: str) -> str:
    """Ask as a browser does."""
    answer = server.site.http.get(server.url + path, headers={"HX-Request": "true"})
    assert answer.status_code == httpx.codes.OK, answer.status_code
    return answer.text


def peak_mb(server: Server) -> float:
    """The most memory that the server has had, by the kernel."""
    assert server.process is not None
    words = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return round(int(words.partition("VmHWM:")[2].split()[0]) * 1024 / MEGABYTE, 1)


if __name__ == "__main__":
    main()
