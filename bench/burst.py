"""Many trivial builds at once over four slots: how many a second, and what one of them costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import trio

from bench.cost import Cost
from bench.figures import Figures, figure
from bench.stage import END_S, Stage
from bench.tiny_http import open_client

CLIENTS: Final = 10
SLOTS: Final = 4
LOOK_S: Final = 0.2  # between two looks whether all have ended
PAGE: Final = 500  # builds in one answer of the API


def measure(stage: Stage) -> Figures:
    """Ask for all, wait for all, several times; with `--whole` also a large number, once."""
    stage.start(slots=SLOTS)
    stage.wait_end(stage.submit("true"))
    many, large = stage.pick(12, 500, 500), stage.pick(0, 0, 5000)
    found = _figures(many, [burst(stage, many) for _ in range(stage.pick(2, 3, 5))])
    return found | (_figures(large, [burst(stage, large)]) if large else {})


def burst(stage: Stage, count: int) -> dict[str, float]:
    """Let so many be built, and tell what that took."""
    server, agent = stage.costs()
    asking: list[float] = []
    numbers = trio.run(_submit_all, stage.server.port, count, asking)
    builds = _wait_all(stage, numbers)
    first = min(_time(build["created_at"]) for build in builds)
    last = max(_time(build["finished_at"]) for build in builds)
    return {
        "builds_per_s": count / (last - first),
        "submit_median_ms": sorted(asking)[len(asking) // 2],
        "submit_worst_ms": max(asking),
        **costs(server, agent, count),
    }


def costs(server: Cost, agent: Cost, builds: int) -> dict[str, float]:
    """Tell what one build has cost; of the agent apart from what it has started."""
    return {
        "server_cpu_ms": server.own_ms / builds,
        "agent_cpu_ms": agent.own_ms / builds,
        "commands_cpu_ms": agent.children_ms / builds,
        "server_growth_mb": server.growth_mb,
        "agent_growth_mb": agent.growth_mb,
    }


def _figures(count: int, runs: list[dict[str, float]]) -> Figures:
    return {f"of_{count}_{name}": figure([run[name] for run in runs]) for name in runs[0]}


async def _submit_all(port: int, count: int, asking: list[float]) -> list[int]:
    numbers: list[int] = []
    left = iter(range(count))
    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(_submit, port, left, numbers, asking)
    return numbers


async def _submit(port: int, left: Iterator[int], numbers: list[int], asking: list[float]) -> None:
    with open_client(port) as client:
        for _ in left:
            began = time.perf_counter()
            answer = await client.ask("POST", "/api/builds", {"commit": "main", "command": "true"})
            asking.append((time.perf_counter() - began) * 1000)
            assert answer.status == 201, answer
            numbers.append(answer.json()["number"])


def _wait_all(stage: Stage, numbers: list[int]) -> list[dict[str, Any]]:
    deadline = time.monotonic() + END_S
    for status in ("waiting", "running"):  # in this order: none of them waits again
        while stage.json(f"/api/builds?status={status}&limit=1")["builds"]:
            assert time.monotonic() < deadline, f"some are still {status}"
            time.sleep(LOOK_S)
    found: list[dict[str, Any]] = []
    before = max(numbers) + 1
    while before > min(numbers):
        page = stage.json(f"/api/builds?limit={PAGE}&before={before}")["builds"]
        found += (build for build in page if build["number"] >= min(numbers))
        before = page[-1]["number"]
    assert sorted(build["number"] for build in found) == sorted(numbers)
    assert all(build["status"] == "success" for build in found)
    return found


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
