"""Measure how long server and agent take to start, and what they need when they have nothing to do.

    python bench/startup.py --starts 20

The server is started again and again on a data folder with some builds, each time until its list
of builds is answered; then the agent, until it answers how it is. Prints one line of JSON: seconds,
the processor's as well, and the memory in MB right after a start.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
import psutil

from tests.real.harness import Program, Site
from tests.real.repository import Repository

STARTS = 20
LOOK_S = 0.005  # between two looks whether it is there
BUILDS = 3
P95 = 95
_MB = 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=STARTS)
    starts = parser.parse_args().starts
    with tempfile.TemporaryDirectory(prefix="nursery-ci-startup-") as folder:
        site = Site(Path(folder))
        try:
            print(json.dumps(run(site, starts)))  # noqa: T201 - the result
        finally:
            site.close()


def run(site: Site, starts: int) -> dict[str, Any]:
    """Make some history, then start both many times."""
    repository = Repository(site.folder / "repository")
    repository.commit({"README.md": "A project.\n"})
    server = site.server(repository.path)
    server.start()
    agent = site.agent(server)
    agent.start()
    for _ in range(BUILDS):
        server.wait_build(server.submit("true"))
    agent.stop()
    server.stop()
    server_starts = [start(server, "/") for _ in range(starts)]
    server.start()
    agent_starts = [start(agent, "/status") for _ in range(starts)]
    return {"server": summary(server_starts), "agent": summary(agent_starts)}


def start(program: Program, path: str) -> tuple[float, float, float]:
    """Start it, stop it, and return seconds, the processor's seconds, and the memory in MB."""
    began = time.monotonic()
    program.start(wait=False)
    while not answers(program, path):
        assert program.running, program.words[-2000:]
        time.sleep(LOOK_S)
    took = time.monotonic() - began
    assert program.process is not None
    process = psutil.Process(program.process.pid)
    times, memory = process.cpu_times(), process.memory_info().rss
    program.stop()
    return took, times.user + times.system, memory / _MB


def answers(program: Program, path: str) -> bool:
    """Whether it listens, and answers what is asked."""
    try:
        return program.site.http.get(program.url + path).status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False


def summary(starts: list[tuple[float, float, float]]) -> dict[str, list[float]]:
    """Median and 95th percentile of each."""
    took, cpu, memory = zip(*starts, strict=True)
    shown = {"s": took, "cpu_s": cpu, "rss_mb": memory}
    return {name: middle_and_p95(values) for name, values in shown.items()}


def middle_and_p95(values: tuple[float, ...]) -> list[float]:
    """Return both, rounded."""
    points = statistics.quantiles(values, n=100, method="inclusive")
    return [round(statistics.median(values), 3), round(points[P95 - 1], 3)]


if __name__ == "__main__":
    main()
