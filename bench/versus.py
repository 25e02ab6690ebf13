"""The same measures with Buildbot, by its public interface, in the form of our own results.

    python3 -m venv /tmp/buildbot
    /tmp/buildbot/bin/pip install buildbot buildbot-www buildbot-worker
    python -m bench.versus /tmp/buildbot/bin --out buildbot.jsonl
    python -m bench.compare buildbot.jsonl bench-results/OURS.jsonl

What it calls by our names: `known` is a checkout into a folder of an earlier build, cleaned by git;
`first` a new clone; `agent` is the worker. Its times of day are whole seconds, so all is by the
clock of a client that asks each 20 ms.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import trio

from bench import checkout, log
from bench.buildbot import Buildbot, Steps, force, open_buildbot, version
from bench.burst import CLIENTS
from bench.cost import Cost
from bench.figures import Figures, figure
from bench.machine import Others, facts, leave, load
from bench.stage import LOOK_S
from bench.tiny_http import open_client
from tests.real.harness import START_S
from tests.real.repository import open_git_server

FILES: Final = 500
MEGABYTES: Final = 100
METHODS: Final = {"known": "fresh", "first": "clobber"}  # our word, Buildbot's
MEASURES: Final = ("one", "burst", "checkout", "log", "startup")
LOOK_AT_ALL_S: Final = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.versus", description=__doc__)
    parser.add_argument(
        "programs", type=Path, help="the folder of `buildbot` and `buildbot-worker`"
    )
    parser.add_argument("measures", nargs="*", choices=MEASURES, help="all, unless named")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true", help="next to nothing, to see that it runs")
    wanted = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="nursery-ci-versus-") as name, wanted.out.open("a") as file:
        measures = wanted.measures or MEASURES
        for line in run(wanted.programs.absolute(), Path(name), measures, tiny=wanted.tiny):
            print(line, flush=True)  # noqa: T201 - the result
            print(line, file=file, flush=True)
    return 0


def run(programs: Path, folder: Path, wanted: Sequence[str], *, tiny: bool) -> Iterator[str]:
    """Yield the line of each measure that is wanted."""
    files, megabytes = (5, 2) if tiny else (FILES, MEGABYTES)
    checkout.make(folder, files, copies=1)
    with open_git_server(folder / "bare") as base:
        urls = {"file": str(folder / "bare"), "http": base}
        size = megabytes * 1_000_000
        builders: dict[str, Steps] = {
            "true": [("sh", "true")],
            "log": [("sh", log.COMMAND.format(lines=log.LINES, size=size))],
        } | {
            f"{way}-{kind}": [("git", f"{url}/{files}-0.git", method), ("sh", "true")]
            for way, url in urls.items()
            for kind, method in METHODS.items()
        }
        with open_buildbot(programs, folder, builders) as buildbot:
            buildbot.wait_end(buildbot.submit("true"))
            measures: dict[str, Callable[[], Figures]] = {
                "one": lambda: _one(buildbot, 2 if tiny else 50),
                "burst": lambda: _burst(buildbot, 5 if tiny else 500),
                "checkout": lambda: _checkout(buildbot, files, 1 if tiny else 10),
                "log": lambda: _log(buildbot, megabytes),
                "startup": lambda: _startup(buildbot, 2 if tiny else 5),
            }
            for name in wanted:
                others = Others()
                machine = facts(folder, "none") | {"commit": version(programs), "changed": False}
                shown = {each: found.as_json() for each, found in measures[name]().items()}
                # Master and worker live on: what they have used counts among the others' here.
                machine |= {"load_after": load(), "others_cores": others.cores()}
                line = {"measure": name, "size": "tiny" if tiny else "usual", "figures": shown}
                yield json.dumps(line | {"machine": machine})


def _one(buildbot: Buildbot, count: int) -> Figures:
    master, worker = Cost(buildbot.master), Cost(buildbot.worker)
    return {"seen_ms": figure(_ways(buildbot, "true", count))} | _costs(master, worker, count)


def _burst(buildbot: Buildbot, count: int) -> Figures:
    master, worker = Cost(buildbot.master), Cost(buildbot.worker)
    began = time.perf_counter()
    trio.run(_submit_all, buildbot.port, count)
    buildbot.wait_all(LOOK_AT_ALL_S)
    took_s = time.perf_counter() - began
    found = {"builds_per_s": figure([count / took_s])} | _costs(master, worker, count)
    return {f"of_{count}_{name}": each for name, each in found.items()}


async def _submit_all(port: int, count: int) -> None:
    left = iter(range(count))
    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(_submit, port, left)


async def _submit(port: int, left: Iterator[int]) -> None:
    with open_client(port, {"Content-Type": "application/json"}) as client:
        for _ in left:
            answer = await client.ask("POST", *force("true"))
            assert answer.status == 200, answer


def _checkout(buildbot: Buildbot, files: int, count: int) -> Figures:
    found: Figures = {}
    for way in ("file", "http"):
        for kind in METHODS:
            builder = f"{way}-{kind}"
            buildbot.wait_end(buildbot.submit(builder))  # makes the folder
            found[f"{way}_{files}_{kind}_end_ms"] = figure(_ways(buildbot, builder, count))
    return found


def _log(buildbot: Buildbot, megabytes: int) -> Figures:
    master, worker = Cost(buildbot.master), Cost(buildbot.worker)
    (took_ms,) = _ways(buildbot, "log", 1)
    return {
        f"of_{megabytes}_mb_per_s": figure([megabytes / took_ms * 1000]),
        f"of_{megabytes}_server_cpu_ms": figure([master.own_ms]),
        f"of_{megabytes}_agent_cpu_ms": figure([worker.own_ms]),
        f"of_{megabytes}_server_growth_mb": figure([master.growth_mb]),
        f"of_{megabytes}_agent_growth_mb": figure([worker.growth_mb]),
    }


def _startup(buildbot: Buildbot, count: int) -> Figures:
    took: list[float] = []
    memory: list[float] = []
    buildbot.stop()
    for _ in range(count):
        began = time.perf_counter()
        buildbot.master.start()
        while not buildbot.is_there():
            assert time.perf_counter() - began < START_S, "the master does not start"
            time.sleep(LOOK_S)
        took.append((time.perf_counter() - began) * 1000)
        memory.append(Cost(buildbot.master).memory_mb)
        buildbot.master.stop()
    return {"server_ms": figure(took), "server_mb": figure(memory)}


def _ways(buildbot: Buildbot, builder: str, count: int) -> list[float]:
    """Milliseconds from asking until the client knows of the end, one build after the other."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        buildbot.wait_end(buildbot.submit(builder))
        found.append((time.perf_counter() - began) * 1000)
    return found


def _costs(master: Cost, worker: Cost, builds: int) -> Figures:
    return {
        "server_cpu_ms": figure([master.own_ms / builds]),
        "agent_cpu_ms": figure([worker.own_ms / builds]),
        "commands_cpu_ms": figure([worker.children_ms / builds]),
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    sys.exit(main())
