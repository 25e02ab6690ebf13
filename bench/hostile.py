"""Measure how long a page and an agent's call take while others attack the server.

    python bench/hostile.py --asks 200

Prints one line of JSON: for each kind of attackers the median and the 99th percentile, in
milliseconds, of the front page and of a piece of a log from an agent, each on a new connection;
and what the attackers cost in memory. The attackers of a kind stay as long as they are let.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx

from tests.real.attackers import Crowd, Vitals, open_crowd
from tests.real.harness import Server, Site
from tests.real.repository import Repository

LOG_BYTES = 100 << 20
BODY = b"Content-Length: 100000\r\n\r\n{"


def attacks(log: str) -> dict[str, tuple[int, bytes, bytes]]:
    """Name each kind: how many, what they say at first, what they say from time to time."""
    head = " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    return {
        "none": (0, b"", b""),
        "1000 that say nothing": (1000, b"", b""),
        "200 slow heads": (200, f"GET /{head}".encode(), b"X-More: yes\r\n"),
        "200 slow bodies": (200, f"POST /api/builds{head}".encode() + BODY, b" "),
        "100 that do not read": (100, f"GET {log}{head}\r\n".encode(), b""),
        "3000, more than there is room for": (3000, f"GET /{head}".encode(), b"X-More: yes\r\n"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asks", type=int, default=200, help="requests of each sort")
    asks = parser.parse_args().asks
    with tempfile.TemporaryDirectory(prefix="nursery-ci-hostile-") as folder:
        site = Site(Path(folder))
        try:
            print(json.dumps(run(site, asks)))  # noqa: T201 - the result
        finally:
            site.close()


def run(site: Site, asks: int) -> dict[str, Any]:
    """Let one kind of attackers come after the other."""
    repository = Repository(site.folder / "repository")
    repository.commit({"README.md": "A project.\n"})
    server = site.server(repository.path)
    server.start()
    site.agent(server).start()
    number = server.submit("echo begin; exec sleep 1000")
    server.wait_log(number, b"begin\n")
    (log,) = server.data.glob("logs/*/*.log")
    os.truncate(log, LOG_BYTES)
    measure(server, lambda: None, 50)
    found = {}
    for name, (count, words, more) in attacks(f"/api/builds/{number}/log").items():
        vitals = Vitals(server)
        with open_crowd(server.port) as crowd:
            crowd.open(count, words, deaf=True)
            found[name] = measure(server, partial(say, crowd, more), asks)
            found[name] |= {"left": crowd.left(), "memory_mb": vitals.grown() >> 20}
    return found


def say(crowd: Crowd, more: bytes) -> None:
    """Let them go on for a bit."""
    if more:
        crowd.say(more)


def measure(server: Server, meanwhile: Callable[[], None], asks: int) -> dict[str, Any]:
    """Ask for the page and send the piece of a log, in turns."""
    piece = f"{server.url}/notify_build_log?id=1.1.1&offset=0"
    pages, calls = [], []
    with httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)) as http:
        for turn in range(asks):
            if turn % 20 == 0:
                meanwhile()
            begin = time.perf_counter()
            assert http.get(server.url).status_code == 200
            between = time.perf_counter()
            assert http.post(piece, content=b"begin\n").status_code == 200
            pages.append(between - begin)
            calls.append(time.perf_counter() - between)
    return {"page_ms": shown(pages), "agent_ms": shown(calls)}


def shown(seconds: list[float]) -> list[float]:
    """Median and 99th percentile, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return [round(1000 * value, 1) for value in (cuts[49], cuts[98])]


if __name__ == "__main__":
    main()
