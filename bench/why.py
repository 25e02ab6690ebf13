"""Measure how long "why red?" takes for two very long logs, and whether others notice.

    python bench/why.py --megabytes 500
    python bench/why.py --megabytes 100 --words

A green and a red build get logs of that length. Then the red one's page is asked for, while
somebody else asks for the list. Prints one line of JSON: milliseconds, and the server's peak
memory before and after in megabytes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx

from bench.log_page import MEGABYTE, beside, shown
from tests.real.harness import Server, Site
from tests.real.repository import Repository

LINES: Final = 100_000  # in the block of which a log consists
LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--words", action="store_true", help="each line has words of its own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nursery-ci-why-") as folder:
        site = Site(Path(folder))
        try:
            outcome = run(site, arguments.megabytes, words=arguments.words)
        finally:
            site.close()
    print(json.dumps(outcome))  # noqa: T201 - the result


def run(site: Site, megabytes: int, *, words: bool) -> dict[str, Any]:
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
        write_log(path, megabytes, end, dice if words else None)
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


def write_log(path: Path, megabytes: int, end: bytes, dice: random.Random | None) -> None:
    """Put a log of that length at `path`."""
    made = 0
    with path.open("wb") as file:
        while made < megabytes * MEGABYTE:
            made += file.write(b"".join(line(number, dice) for number in range(LINES)))
        file.write(end)


def line(number: int, dice: random.Random | None) -> bytes:
    """Make a line as compilers print it, or one of words that no other line has."""
    if dice is None:
        name = b"module_%d" % (number % 97)
        return b"12:34:%02d step %d: compiled src/%s/file.c\n" % (number % 60, number, name)
    made = bytes(dice.choices(LETTERS, k=70))
    return b" ".join(made[at : at + 7] for at in range(0, 70, 7)) + b" in %d ms\n" % number


def measure(server: Server, number: int) -> dict[str, Any]:
    """Ask for the page, and see how others fare meanwhile."""
    took = 0.0

    def look() -> None:
        nonlocal took
        began = time.monotonic()
        answer = server.site.http.get(f"{server.url}/build/{number}/why")
        assert answer.status_code == httpx.codes.OK, answer.status_code
        took = time.monotonic() - began

    others = beside(server, look)
    return {"ms": round(took * 1000, 1), "list_meanwhile": shown(others) if others else []}


def peak_mb(server: Server) -> float:
    """The most memory that the server has had, by the kernel."""
    assert server.process is not None
    words = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return round(int(words.partition("VmHWM:")[2].split()[0]) * 1024 / MEGABYTE, 1)


if __name__ == "__main__":
    main()
