"""Measure how quick the list is, whatever the history.

    python bench/list.py --builds 100 10000 1000000

For each number a store is written, a server is started on it, and pages of the list are asked for,
one after the other, on one connection. Prints one line of JSON for each: start-up in seconds,
memory in MB, the load of the machine, and for each page the median and the 95th percentile in
milliseconds, what it took of the server's processor, and the bytes of its body. `made_anew` are the
same pages, each time under an address that nobody has asked for.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
import tempfile
import time
from html import unescape
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

import psutil

from bench.big_store import REPOSITORIES, fill
from tests.real.harness import Server, Site

SIZES: Final = (100, 10_000, 1_000_000)
TIMES: Final = 100
WARMING: Final = 5  # requests that are not counted
PAGE: Final = 50  # builds
HTMX: Final = {"HX-Request": "true"}
BROWSER: Final = {"Accept": "text/html"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, nargs="+", default=list(SIZES))
    for builds in parser.parse_args().builds:
        with tempfile.TemporaryDirectory(prefix="nursery-ci-list-") as folder:
            site = Site(Path(folder))
            try:
                print(json.dumps(run(site, builds)), flush=True)  # noqa: T201 - the result
            finally:
                site.close()


def run(site: Site, builds: int) -> dict[str, Any]:
    """Make the store, start the server, ask."""
    urls = {name: f"https://git.example.org/{name}.git" for name in REPOSITORIES}
    server = site.server("", repositories=json.dumps(urls))
    del server.flags["repository"]
    server.data.mkdir(parents=True)
    fill(server.data, builds)
    began = time.monotonic()
    server.start()
    start_s = time.monotonic() - began
    asker = Asker(server)
    far = max(PAGE + 1, builds // 2)
    pages = {
        "list": "/",
        "filtered": "/?repository=web&status=failure",
        "repository": "/?repository=web",
        "agent": "/?agent=agent-3",
        "far_back": f"/?before={far}",
        "far_back_filtered": f"/?repository=web&status=failure&before={far}",
    }
    anew = {name: path + ("&" if "?" in path else "?") + "nth=" for name, path in pages.items()}
    found = {
        "builds": builds,
        "start_s": round(start_s, 2),
        "made_anew": {name: asker.measure(path, counted=True) for name, path in anew.items()},
        "repeated": {name: asker.measure(path) for name, path in pages.items()},
        "api": asker.measure("/api/builds"),
        "api_far_back": asker.measure(f"/api/builds?before={far}"),
    }
    news = unescape(asker.find(r'hx-get="([^"]*part=builds[^"]*)"', "/"))
    found["nothing_new"] = asker.measure(news, HTMX)
    found["memory_mb"] = round(asker.process.memory_info().rss / 1e6)
    return found | {"load": round(os.getloadavg()[0], 1)}


class Asker:
    """One client of a server, on one connection."""

    def __init__(self, server: Server) -> None:
        assert server.process is not None
        self.process = psutil.Process(server.process.pid)
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def ask(self, path: str, headers: dict[str, str]) -> bytes:
        """Return the body of an answer that is no failure."""
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status < http.client.BAD_REQUEST, (path, answer.status)
        return body

    def find(self, pattern: str, path: str) -> str:
        """Return what a page has that fits."""
        match = re.search(pattern, self.ask(path, BROWSER).decode())
        assert match is not None, pattern
        return match[1]

    def measure(
        self, path: str, headers: dict[str, str] = BROWSER, *, counted: bool = False
    ) -> dict[str, float]:
        """Ask again and again, under an address of its own each time if they are counted."""
        paths = [f"{path}{nth}" if counted else path for nth in range(WARMING + TIMES)]
        for each in paths[:WARMING]:
            self.ask(each, headers)
        times, size, before_s = [], 0, self._cpu_s()
        for each in paths[WARMING:]:
            began = time.perf_counter()
            size = len(self.ask(each, headers))
            times.append((time.perf_counter() - began) * 1000)
        cpu_ms = (self._cpu_s() - before_s) / TIMES * 1000
        points = quantiles(times, n=100)
        return {
            "p50_ms": round(points[49], 2),
            "p95_ms": round(points[94], 2),
            "cpu_ms": round(cpu_ms, 2),
            "bytes": size,
        }

    def _cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


if __name__ == "__main__":
    main()
