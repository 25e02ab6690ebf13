"""What it costs to do nothing: a server with agents and open pages, and one with many agents.

In per cent of one core, and in megabytes of memory. The ten agents are real ones, the hundred only
answer as agents do, since a hundred real ones would use the machine themselves.
"""

from __future__ import annotations

import random
from typing import Final

import trio

from bench.browser import browse
from bench.browsers import SETTLE_S, watch
from bench.cost import Cost
from bench.figures import Figures, figure
from bench.measure import Counts, Times
from bench.sim_agents import Plan, SimAgent
from bench.stage import Stage
from tests.real.harness import Server

PAGES: Final = ("/", "/agents")


def measure(stage: Stage) -> Figures:
    """Start them, leave them alone, look at what they take."""
    agents = pages = stage.pick(2, 10, 10)
    stage.start_server(stage.site.server(stage.repository.path))
    fresh = figure([Cost(stage.server).memory_mb])
    stage.start_agents(agents, slots=1)
    found = trio.run(_real, stage, pages)
    for program in (*stage.agents, stage.server):
        program.stop()
    many = stage.site.one_server("server-of-many", {"repository": stage.repository.path})
    many.start()
    found |= trio.run(_simulated, many, stage.pick(3, 100, 100), stage.pick(1, 4, 12))
    return {"server_fresh_mb": fresh, **found}


async def _real(stage: Stage, pages: int) -> Figures:
    times, counts = Times(), Counts()
    async with trio.open_nursery() as nursery:
        for nth in range(pages):
            path = PAGES[nth % len(PAGES)]
            nursery.start_soon(browse, stage.server.port, path, times, counts)
        while counts["open page"] < pages:
            await trio.sleep(SETTLE_S / 10)
        await trio.sleep(SETTLE_S)
        server, agent = stage.costs()
        percents = await watch([server, agent], stage.pick(1, 6, 12))
        nursery.cancel_scope.cancel()
    return {
        "server_cpu_percent": figure(percents[0]),
        "agent_cpu_percent": figure(percents[1]),
        "server_mb": figure([server.memory_mb]),
        "agent_mb": figure([Cost(agent).memory_mb for agent in stage.agents]),
    }


async def _simulated(server: Server, count: int, part_s: float) -> Figures:
    async with trio.open_nursery() as nursery:
        plan = Plan(server.port, nursery, 0, random.Random(1), draining=True)
        for nth in range(count):
            await SimAgent(plan, f"agent-{nth}", slots=1).start()
        await trio.sleep(SETTLE_S)
        cost = Cost(server)
        percents = await watch([cost], part_s)
        nursery.cancel_scope.cancel()
    return {
        f"of_{count}_agents_server_cpu_percent": figure(percents[0]),
        f"of_{count}_agents_server_mb": figure([cost.memory_mb]),
    }
