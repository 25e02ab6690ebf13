"""200 open pages: what their questions cost while nothing happens, and while builds begin and end.

Half of them show the list, half a build that runs. `poll_ms` is for all questions of one phase,
`page_ms` for opening one more page meanwhile.
"""

from __future__ import annotations

import time
from typing import Any, Final

import trio

from bench.browser import PAGE, browse
from bench.cost import Cost
from bench.figures import Figures, figure
from bench.measure import Counts, Times
from bench.stage import Stage
from bench.tiny_http import Client, open_client

HISTORY: Final = 60  # builds that the list shows, somewhat more than fit on a page
PARTS: Final = 5  # of a phase, for each of which the processor's time is counted
SETTLE_S: Final = 2.0  # after all pages are open, before anything is counted
READ_S: Final = 0.25  # between two pages of the one reader
BUILD_S: Final = 0.5  # between two builds of the second phase
HELD: Final = "sleep 3600"  # a build that runs all the time; the site ends it


def measure(stage: Stage) -> Figures:
    """Open the pages, look at the server with nothing going on, then with builds."""
    stage.start(slots=2)
    last = [stage.submit("true") for _ in range(stage.pick(3, HISTORY, HISTORY))][-1]
    stage.wait_end(last)
    held = stage.submit(HELD)
    stage.server.wait_build(held, "running")
    return trio.run(_measure, stage, held)


async def _measure(stage: Stage, held: int) -> Figures:
    server = Cost(stage.server)
    counts, times = Counts(), Times()
    part_s = stage.pick(1, 4, 12)
    async with trio.open_nursery() as nursery:
        for nth in range(stage.pick(4, 200, 200)):
            path = f"/build/{held}" if nth % 2 else "/"
            nursery.start_soon(browse, stage.server.port, path, times, counts)
        while counts["open page"] < stage.pick(4, 200, 200):
            await trio.sleep(SETTLE_S / 10)
        await trio.sleep(SETTLE_S)
        nursery.start_soon(_read, stage.server.port, times)
        found = await _phase("quiet", server, times, part_s)
        nursery.start_soon(_build, stage.server.port)
        found |= await _phase("busy", server, times, part_s)
        nursery.cancel_scope.cancel()
    return found | {"server_growth_mb": figure([server.growth_mb])}


async def _phase(name: str, server: Cost, times: Times, part_s: float) -> Figures:
    times.restart()
    percents = await watch([server], part_s)
    polls = [time for each in times.names() if each.startswith("poll ") for time in times.of(each)]
    return {
        f"{name}_server_cpu_percent": figure(percents[0]),
        f"{name}_poll_ms": figure(polls),
        f"{name}_page_ms": figure(times.of("page")),
    }


async def watch(programs: list[Cost], part_s: float) -> list[list[float]]:
    """Look on for a while, and return for each program what it took of a core, in per cent."""
    percents: list[list[float]] = [[] for _ in programs]
    for _ in range(PARTS):
        before = [program.own_ms for program in programs]
        began = time.monotonic()
        await trio.sleep(part_s)
        for found, program, own_ms in zip(percents, programs, before, strict=True):
            found.append((program.own_ms - own_ms) / 10 / (time.monotonic() - began))
    return percents


async def _read(port: int, times: Times) -> None:
    with open_client(port, PAGE) as client:
        while True:
            with times.measure("page"):
                await _good(client, "GET", "/")
            await trio.sleep(READ_S)


async def _build(port: int) -> None:
    with open_client(port) as client:
        while True:
            await _good(client, "POST", "/api/builds", {"commit": "main", "command": "true"})
            await trio.sleep(BUILD_S)


async def _good(client: Client, method: str, path: str, body: Any = None) -> None:
    answer = await client.ask(method, path, body)
    assert answer.status < 400, answer
