"""One torture run: set up, ask and torment, wait until all is over, gather the evidence."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.torture import gather
from tests.torture.clients import Client
from tests.torture.evidence import AgentAtEnd, Asked, Evidence
from tests.torture.kinds import command
from tests.torture.plan import AGENTS, CLIENTS, SLOTS, Plan
from tests.torture.stage import Stage, open_stage
from tests.torture.tormentor import Tormentor
from tests.torture.watch import Watch

# What is over early is not waited for. Most of it is the queue; then a result may be waiting for
# the 60 s after a refusal.
SETTLE_S: Final = 240.0
_LOOK_S: Final = 0.3
_MEETING_CLIENT: Final = CLIENTS  # one of its own


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has brought. `faults` and `passed` count what was done to whom."""

    evidence: Evidence
    faults: Counter[str]
    settled_s: float
    has_disks: bool


def run(plan: Plan, folder: Path, *, keep: bool) -> Outcome:
    """Carry out a plan in an empty folder. `keep`: copy what is on the small disks to `kept`."""
    with open_stage(folder, plan.seed) as stage:
        watch = Watch(stage)
        clients = [Client(number, stage, plan) for number in range(CLIENTS)]
        tormentor = Tormentor(stage, plan)
        with ExitStack() as stack:
            stack.callback(watch.stop)
            watch.start()
            for client in clients:
                stack.callback(client.stop)
                client.start()
            tormentor.run()
            for client in clients:
                client.wait()
            began = time.monotonic()
            _settle(stage)
            asked = [one for client in clients for one in client.asked]
            asked += _meet(stage)
            _settle(stage)
            settled_s = time.monotonic() - began
            # At once: a busy machine may miss three heartbeats of a second at any moment.
            agents = tuple(gather.agents(stage))
        evidence = _gather(stage, tuple(asked), agents, watch, tormentor)
        if keep:
            shutil.copytree(folder / "data", folder / "kept", symlinks=True)
        faults = tormentor.done + _network(stage)
        return Outcome(evidence, faults, settled_s, stage.has_disks)


def _settle(stage: Stage) -> None:
    """Wait until nothing is left to be done; what is left after that is found by the checker."""
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until and not _is_quiet(stage):
        time.sleep(_LOOK_S)


def _is_quiet(stage: Stage) -> bool:
    try:
        open_builds = [
            stage.server.get("/api/builds", status=status, limit=1).json()["builds"]
            for status in ("waiting", "running")
        ]
        agents = list(gather.agents(stage))
    except (httpx.TransportError, KeyError):
        return False
    free = [one for one in agents if one.state == "online" and not one.has and not one.believed]
    return not any(open_builds) and len(free) == len(AGENTS) and not list(gather.folders(stage))


def _meet(stage: Stage) -> Iterator[Asked]:
    """Ask for one build for each slot; each ends only when all have begun."""
    wanted = len(AGENTS) * SLOTS
    for index in range(wanted):
        token = f"meeting.{wanted}.{index}"
        try:
            number = stage.server.submit(command("meeting", token, stage.notes), "main")
        except httpx.TransportError:
            number = None
        yield Asked(token, "meeting", _MEETING_CLIENT, number=number)


def _gather(
    stage: Stage,
    asked: tuple[Asked, ...],
    agents: tuple[AgentAtEnd, ...],
    watch: Watch,
    tormentor: Tormentor,
) -> Evidence:
    complaints = list(tormentor.complaints)
    at_rest = tuple(watch.sample())
    builds = tuple(gather.builds(stage, watch.read))
    folders = tuple(gather.folders(stage))
    for name, program in [*stage.agents.items(), ("server", stage.server)]:
        if not program.running:
            complaints.append(f"{name} has ended by itself")
        elif (code := program.stop()) != 0:
            complaints.append(f"{name} ended on SIGTERM with exit code {code}")
    return Evidence(
        asked=asked,
        builds=builds,
        seen={number: tuple(statuses) for number, statuses in watch.seen.items()},
        runs=tuple(gather.runs(stage)),
        events=gather.events(stage),
        agents=agents,
        samples=tuple(watch.samples),
        at_rest=at_rest,
        processes=tuple(gather.processes(stage)),
        folders=folders,
        store_problems=tuple(gather.store_problems(stage)),
        complaints=tuple(complaints),
        problems=tuple(gather.all_problems(stage)),
    )


def _network(stage: Stage) -> Counter[str]:
    counts: Counter[str] = Counter()
    for proxy in (*stage.proxies.values(), stage.client_proxy):
        counts += proxy.counts
    return Counter({f"network: {name}": count for name, count in counts.items()})
