"""Measure what a build costs that prints far too much, and whether anybody else notices.

    python bench/big_log.py --megabytes 2000
    python bench/big_log.py --megabytes 100 --one-line

One agent with two slots and the usual limit of a log. While the command prints, its page, parts of
its log and small builds are asked for again and again; afterwards once more. Prints one line of
JSON: seconds, megabytes a second, processor time and peak memory of both programs, the most disk
that the output took on the agent, and for each question the median and the worst time in
milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import psutil

from tests.real.harness import ENDED, Program, Server, Site
from tests.real.repository import Repository

LINE = "a line as compilers print it, with some words and a number at its end: 12345"
LIMIT_S = 600.0
MEGABYTE = 1_000_000
BLOCK = 512  # bytes, as `st_blocks` counts
HTMX = {"HX-Request": "true"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--one-line", action="store_true", help="without any line end")
    arguments = parser.parse_args()
    source = (
        "head -c {} /dev/zero | tr '\\0' x"
        if arguments.one_line
        else f"yes '{LINE}' | head -c {{}}"
    )
    with tempfile.TemporaryDirectory(prefix="nursery-ci-big-log-") as folder:
        site = Site(Path(folder))
        try:
            outcome = run(site, source.format(arguments.megabytes * MEGABYTE), arguments.megabytes)
        finally:
            site.close()
    print(json.dumps(outcome))  # noqa: T201 - the result


def run(site: Site, command: str, megabytes: int) -> dict[str, Any]:
    """Let it print, and look on."""
    repository = Repository(site.folder / "repository")
    repository.commit({"README.md": "A project.\n"})
    server = site.server(repository.path)
    server.start()
    agent = site.agent(server, slots=2)
    agent.start()
    server.wait_agents(1)
    server.wait_build(server.submit("true"))
    idle = {"server": peak_memory(server), "agent": peak_memory(agent)}
    busy = {program.name: processor_s(program) for program in (server, agent)}
    began = time.monotonic()
    number = server.submit(command)
    server.wait_build(number, "running")
    times: dict[str, list[float]] = {}
    disk = printed_s = 0.0
    spool = agent.data / "spool" / f"{number}.1.1"
    while server.build(number)["status"] not in ENDED:
        assert time.monotonic() - began < LIMIT_S, "it does not end"
        disk = max(disk, on_disk(spool / "log"))
        ask(server, number, times)
        if not printed_s and ((spool / "exit").exists() or not spool.exists()):
            printed_s = time.monotonic() - began
    seconds = time.monotonic() - began
    busy = {each.name: round(processor_s(each) - busy[each.name], 1) for each in (server, agent)}
    after: dict[str, list[float]] = {}
    for _ in range(10):
        ask(server, number, after)
    size = server.build(number)["log_size"]
    return {
        "megabytes": megabytes,
        "printed_s": round(printed_s, 1),
        "delivered_s": round(seconds, 1),
        "log_mb": round(size / MEGABYTE, 1),
        "delivered_mb_per_s": round(size / MEGABYTE / seconds, 1),
        "processor_s": busy,
        "agent_disk_mb": round(disk / MEGABYTE, 1),
        "peak_memory_mb": {
            "server": [idle["server"], peak_memory(server)],
            "agent": [idle["agent"], peak_memory(agent)],
        },
        "meanwhile_ms": {what: shown(found) for what, found in times.items()},
        "afterwards_ms": {what: shown(found) for what, found in after.items()},
    }


def ask(server: Server, number: int, times: dict[str, list[float]]) -> None:
    """Ask each question once."""
    path = f"/build/{number}"
    size = server.build(number)["log_size"] or 0

    def measure(what: str, question: Callable[[], object]) -> None:
        began = time.monotonic()
        question()
        times.setdefault(what, []).append((time.monotonic() - began) * 1000)

    def fetch(path: str, **headers: str) -> None:
        with server.site.http.stream("GET", server.url + path, headers=headers) as answer:
            assert answer.status_code in (200, 204, 206, 416), answer.status_code
            next(answer.iter_bytes(), b"")

    measure("page", lambda: fetch(path))
    measure("page_from_middle", lambda: fetch(f"{path}?from={size // 2}"))
    tail = f"{path}?part=log&attempt={number}.1.1&at={max(0, size - 1000)}&size=1&growing=1"
    measure("part", lambda: fetch(tail, **HTMX))
    measure("raw_first_byte", lambda: fetch(f"/api/builds/{number}/log"))
    measure("raw_last_mb", lambda: fetch(f"/api/builds/{number}/log", Range="bytes=-1000000"))
    measure("list", lambda: fetch("/"))
    measure("other_build", lambda: server.wait_build(server.submit("echo other")))


def processor_s(program: Program) -> float:
    """Seconds of processor time that a program has had."""
    assert program.process is not None
    times = psutil.Process(program.process.pid).cpu_times()
    return times.user + times.system


def peak_memory(program: Program) -> int:
    """The most memory that a program has ever had, in megabytes."""
    assert program.process is not None
    status = Path(f"/proc/{program.process.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 // MEGABYTE


def on_disk(path: Path) -> int:
    """Bytes that a file takes; 0 when there is none."""
    try:
        return path.stat().st_blocks * BLOCK
    except FileNotFoundError:
        return 0


def shown(times: list[float]) -> list[float]:
    """Median and worst."""
    return [round(statistics.median(times), 1), round(max(times), 1)]


if __name__ == "__main__":
    main()
