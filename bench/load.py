"""Load a real server: thousands of builds, many agents, many browsers, and look what it does.

    python bench/load.py                            10,000 builds by 50 clients on 20 agents
    python bench/load.py --agents 100 --idle        100 agents that only answer heartbeats
    python bench/load.py --browsers 500             500 open pages while builds run
    python bench/load.py --browsers 500 --idle      500 open pages while nothing changes
    python bench/load.py --silent 1 --deaf 1        beside them agents that do not answer

Prints one line of JSON. Exit code 1 if a build was lost, doubled, or did not end once.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.browser import PAGE, browse
from bench.measure import Counts, Times, Usage
from bench.sim_agents import Plan, SimAgent
from bench.tiny_http import Client, open_client
from tests.real.harness import Server, Site

READ_S = 0.25  # between two pages of the one reader who tells how quick they are
SETTLE_S = 2.0  # after the preparations, before anything is counted
PAGE_LIMIT = 500  # builds in one answer of the API
SHARES = 4  # into which labels are dealt out to agents


class Run:
    """One load on one server."""

    def __init__(self, server: Server, wanted: argparse.Namespace, nursery: trio.Nursery) -> None:
        self.server = server
        self.wanted = wanted
        self.nursery = nursery
        self.times, self.counts = Times(), Counts()
        self.numbers: list[int] = []
        self.has: dict[str, set[str]] = {}  # the labels of each agent
        dice = random.Random(wanted.seed)
        self.plan = Plan(server.port, nursery, wanted.work, dice, draining=self.prepared)
        assert server.process is not None
        self.usage = Usage(server.process.pid)

    @property
    def prepared(self) -> bool:
        """Whether all builds wait before anything is measured."""
        return bool(self.wanted.idle or self.wanted.browsers)

    async def run(self) -> dict[str, Any]:
        """Do what is wanted and return what was seen."""
        self.nursery.start_soon(self.usage.watch)
        agents = [
            SimAgent(self.plan, f"agent-{n}", 1 + n % 4, self._labels(n), silent=silent, deaf=deaf)
            for n, (silent, deaf) in enumerate(self._kinds())
        ]
        self.has = {agent.name: set(agent.labels) for agent in agents}
        for agent in agents:
            await agent.start()
        took: dict[str, float] = {}
        if self.prepared:
            await self._submit_all()
            await self._hold(agents)
        else:
            self.nursery.start_soon(self._read)
            began = time.monotonic()
            await self._submit_all()
            took["accept_s"] = round(time.monotonic() - began, 1)
            took["waiting_then"] = (await self._ask("/healthz"))["builds_waiting"]
            await self._wait_ended()
            took["all_s"] = round(time.monotonic() - began, 1)
            took["builds_per_s"] = round(len(self.numbers) / took["all_s"], 1)
        return {
            "builds": len(self.numbers),
            "agents": len(agents),
            "slots": sum(agent.slots for agent in agents),
            **took,
            "server": self.usage.summary(),
            "heartbeats": self.plan.asked,
            "answers": dict(sorted(self.counts.items())),
            "ms": self.times.summary(),
            "wrong": [] if self.prepared else await self._wrong(),
        }

    def _kinds(self) -> Iterator[tuple[bool, bool]]:
        for _ in range(self.wanted.agents):
            yield False, False
        for _ in range(self.wanted.silent):
            yield True, False
        for _ in range(self.wanted.deaf):
            yield False, True

    def _labels(self, agent: int) -> list[str]:
        """Every fourth of all labels, so that each is that of several agents."""
        return [f"label-{n}" for n in range(agent % SHARES, self.wanted.labels, SHARES)]

    async def _submit_all(self) -> None:
        left = iter(range(self.wanted.builds))
        async with trio.open_nursery() as nursery:
            for _ in range(self.wanted.clients):
                nursery.start_soon(self._submit, left)

    async def _submit(self, left: Iterator[int]) -> None:
        with open_client(self.server.port) as client:
            for n in left:
                self.numbers.append(await self._submit_one(client, n))

    async def _submit_one(self, client: Client, n: int) -> int:
        labels = [f"label-{n % self.wanted.labels}"] if self.wanted.labels else []
        body = {"commit": "main", "command": f"make part-{n}", "labels": labels}
        while True:
            with self.times.measure("submit"):
                answer = await client.ask("POST", "/api/builds", body)
            self.counts[f"submit {answer.status}"] += 1
            if answer.status == 201:
                break
            assert answer.status == 503, answer
            await trio.sleep(float(answer.headers["retry-after"]) * random.uniform(0.5, 1))
        number: int = answer.json()["number"]
        return number

    async def _hold(self, agents: list[SimAgent]) -> None:
        """Measure for a while, with all builds in line; the agents work unless it is to be idle."""
        if not self.wanted.idle:
            self.plan.draining = False
            for agent in agents:
                await agent.register()
        for n in range(self.wanted.browsers):
            path = "/" if n % 2 else f"/build/{random.choice(self.numbers)}"
            self.nursery.start_soon(browse, self.server.port, path, self.times, self.counts)
        while self.counts["open page"] < self.wanted.browsers:
            await trio.sleep(SETTLE_S)
        await trio.sleep(SETTLE_S)
        self.usage.restart()
        self.times.restart()
        self.counts.clear()
        self.plan.asked = 0
        self.nursery.start_soon(self._read)
        await trio.sleep(self.wanted.seconds)

    async def _read(self) -> None:
        """Load one page after the other, as a person would who clicks around."""
        with open_client(self.server.port, PAGE) as client:
            while True:
                await self._read_once(client)

    async def _read_once(self, client: Client) -> None:
        number = random.choice(self.numbers) if self.numbers else None
        paths = {"/": "/", "/agents": "/agents", "/api/builds": "/api/builds"}
        if number is not None:
            paths["/build/N"] = f"/build/{number}"
        for name, path in paths.items():
            with self.times.measure(name):
                answer = await client.ask("GET", path)
            self.counts[f"{name} {answer.status}"] += 1
            await trio.sleep(READ_S)

    async def _wait_ended(self) -> None:
        while True:
            # In this order: what is leased between the two questions is seen by the second.
            waiting = (await self._ask("/healthz"))["builds_waiting"]
            running = (await self._ask("/api/builds?status=running&limit=1"))["builds"]
            if not waiting and not running:
                return
            await trio.sleep(1)

    async def _wrong(self) -> list[str]:
        """Name every build that is missing, doubled, or did not end once and well."""
        wrong = list(self.plan.refused)
        seen: list[int] = []
        before = ""
        while before is not None:
            page = await self._ask(f"/api/builds?limit={PAGE_LIMIT}&before={before}")
            for build in page["builds"]:
                seen.append(build["number"])
                ends = [one["status"] for one in build["attempts"] if one["reason"] == "exited"]
                if build["status"] != "success" or ends != ["success"]:
                    wrong.append(f"build {build['number']}: {build['status']}, attempts {ends}")
                if not self.has[build["agent"]].issuperset(build["labels"]):
                    wrong.append(f"build {build['number']}: {build['agent']} lacks its label")
            before = page["next"]
        if sorted(seen) != sorted(self.numbers):
            wrong.append(f"{len(self.numbers)} were accepted, {len(seen)} are there")
        if len(set(self.plan.taken)) != len(self.plan.taken):
            wrong.append("an attempt was handed over twice")
        return wrong

    async def _ask(self, path: str) -> Any:
        with open_client(self.server.port) as client:
            return (await client.ask("GET", path)).json()


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--builds", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--work", type=float, default=0.5, help="mean seconds that a build takes")
    parser.add_argument("--limit", type=int, default=20_000, help="maxWaitingBuilds")
    parser.add_argument("--browsers", type=int, default=0)
    parser.add_argument("--silent", type=int, default=0, help="agents that answer nothing")
    parser.add_argument("--deaf", type=int, default=0, help="agents that answer /status alone")
    parser.add_argument("--labels", type=int, default=0, help="of which each build asks for one")
    parser.add_argument("--idle", action="store_true", help="agents take no work")
    parser.add_argument("--seconds", type=float, default=30.0, help="of --idle and --browsers")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main() -> int:
    """Run it and return the exit code."""
    wanted = parse()
    with tempfile.TemporaryDirectory(prefix="nursery-ci-load-") as folder:
        site = Site(Path(folder))
        try:
            outcome = trio.run(run, site, wanted)
        finally:
            site.close()
    print(json.dumps(outcome))  # noqa: T201 - the result
    return 1 if outcome["wrong"] else 0


async def run(site: Site, wanted: argparse.Namespace) -> dict[str, Any]:
    """Start a server and load it."""
    server = site.server(site.folder / "repository", max_waiting_builds=wanted.limit)
    server.start()
    async with trio.open_nursery() as nursery:
        outcome = await Run(server, wanted, nursery).run()
        nursery.cancel_scope.cancel()
    return outcome


if __name__ == "__main__":
    sys.exit(main())
