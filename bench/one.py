"""One trivial build after the other on an idle server: from the question to the end.

`end_ms`, and what it consists of, is by the times that server and agent tell while nobody looks; so
are the costs, and what the server has counted. `seen_ms` is what passes for a client that asks each
5 ms, which the server has to answer meanwhile, and `followed_ms` for one that reads the build as
text to its end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

from bench.figures import Figures, figure
from bench.stage import Stage, milliseconds

COMMAND: Final = "true"
QUIET_S: Final = 0.25  # before somebody looks: most builds are over by then
# What one build needs, whatever the machine does: calls of the agent, and durable commits.
COUNTERS: Final = {
    "agent_calls": re.compile(r'(?m)^nursery_ci_http_requests_total\{.*route="/notify.*\} (.+)$'),
    "commits": re.compile(r"(?m)^nursery_ci_store_commit_seconds_count (.+)$"),
}
ROUNDS: Final = 5  # in each of which costs are counted: the kernel counts in steps of 10 ms


def measure(stage: Stage) -> Figures:
    """Build, look, build again."""
    stage.start()
    stage.wait_end(stage.submit(COMMAND))  # the first one makes the mirror
    server, agent = stage.costs()
    builds: list[dict[str, Any]] = []
    costs: dict[str, list[float]] = {"server": [], "agent": [], "commands": []}
    count = stage.pick(1, 20, 60)
    before = _counters(stage)
    for _ in range(ROUNDS):
        server.restart()
        agent.restart()
        builds += (_quiet(stage) for _ in range(count))
        costs["server"].append(server.own_ms / count)
        costs["agent"].append(agent.own_ms / count)
        costs["commands"].append(agent.children_ms / count)
    counted = [b - a for a, b in zip(before, _counters(stage), strict=True)]
    seen = _ways(stage, count * ROUNDS, stage.wait_end)
    followed = _ways(stage, count, lambda number: stage.ask(f"/build/{number}.txt"))
    return {
        "end_ms": figure([milliseconds(build) for build in builds]),
        "start_ms": figure([milliseconds(build, end="started_at") for build in builds]),
        "agent_ms": figure([build["duration_s"] * 1000 for build in builds]),
        "checkout_ms": figure([build["attempts"][0]["checkout_s"] * 1000 for build in builds]),
        "seen_ms": figure(seen),
        "followed_ms": figure(followed),
        **{f"{whose}_cpu_ms": figure(found) for whose, found in costs.items()},
        **{
            name: figure([each / len(builds)]) for name, each in zip(COUNTERS, counted, strict=True)
        },
    }


def _counters(stage: Stage) -> list[float]:
    """Return what the server has counted since its start, by the names of `COUNTERS`."""
    metrics = stage.ask("/metrics").decode()
    return [sum(map(float, pattern.findall(metrics))) for pattern in COUNTERS.values()]


def _quiet(stage: Stage) -> dict[str, Any]:
    number = stage.submit(COMMAND)
    time.sleep(QUIET_S)
    return stage.wait_end(number, look_s=QUIET_S)


def _ways(stage: Stage, count: int, wait: Callable[[int], object]) -> list[float]:
    """Milliseconds from asking until the client knows of the end, one build after the other."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        wait(stage.submit(COMMAND))
        found.append((time.perf_counter() - began) * 1000)
    return found
