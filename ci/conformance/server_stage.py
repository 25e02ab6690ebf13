"""What the probes of a server share: the server, a desk, and a stand-in agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from ci.conformance.calls import Peer
from ci.conformance.desk import LOOK_S, POLL_S, Desk
from ci.conformance.probe import PATIENCE_S, Broken, CanNotTell, Probe, expect
from ci.conformance.standin_agent import StandInAgent, Task

SETTLE_TURNS = 10  # builds that a probe may leave behind
TURNS = 4  # builds that one probe asks for, at most
QUIET_S = 3.0  # in which nothing more comes, if nothing is to come


@dataclass(slots=True)
class ServerStage:
    """Probes run on it one after the other."""

    server: Peer
    desk: Desk
    agent: StandInAgent
    make_agent: Callable[[], StandInAgent]
    patience_s: float = PATIENCE_S
    waiting: int = 0  # builds that were asked for, and of which no job has come
    numbers: list[str] = field(default_factory=list)

    def paced(self, seconds: float) -> float:
        """Return how long that is for who is more or less patient than usual."""
        return seconds * self.patience_s / PATIENCE_S

    async def submit(self) -> str:
        """Ask for a build and return its number, "" if that is not known."""
        number = await self.desk.submit()
        self.waiting += 1
        self.numbers.append(number)
        return number

    async def next_task(self, agent: StandInAgent | None = None) -> Task:
        """Wait for a job that must come. Raises Broken."""
        agent = agent or self.agent
        within_s = self.patience_s + self.desk.patience_s
        task = await agent.next_task(within_s)
        if task is None:
            unreadable = agent.unreadable
            more = f"; what came can't be read: {unreadable[-1]}" if unreadable else ""
            raise Broken(f"no build was handed over within {within_s:g} s{more}")
        self.waiting -= 1
        return task

    async def build(self) -> tuple[str, Task]:
        """Ask for a build and wait for its job."""
        number = await self.submit()
        return number, await self.next_task()

    async def expect_quiet(self, seen: str) -> None:
        """Raise Broken with what was seen if one more job comes."""
        task = await self.agent.next_task(self.paced(QUIET_S))
        if task is not None:
            self.waiting -= 1
            raise Broken(f"{seen}: {task.job.id}")

    async def shown(self, number: str, status: str) -> str:
        """Wait until a build is shown as `status`; say so, or why that can't be seen."""
        last = ""
        try:
            with trio.move_on_after(self.paced(LOOK_S)):
                while last != status:
                    last = await self.desk.status(number)
                    await trio.sleep(POLL_S)
        except CanNotTell:
            return "it was answered with 2xx"
        expect(last == status, f"it is shown as {last or 'nothing'}, not as {status}")
        return f"it is shown as {status}"

    def limit_of(self, probe: Probe[Any]) -> float:
        """Return the seconds that a probe may take here."""
        return probe.limit_s * max(1.0, self.patience_s / PATIENCE_S) + TURNS * self.desk.patience_s

    async def settle(self) -> None:
        """End what is left of the last probe."""
        self.agent.refuses = self.agent.answers_late = False
        for _ in range(SETTLE_TURNS):
            if not self.agent.open:
                if self.waiting <= 0 or await self.agent.next_task(self.paced(QUIET_S)) is None:
                    break
                self.waiting -= 1
            for task in list(self.agent.open):
                await self.agent.deliver(task)
                self.agent.drop(task)
        self.agent.skip_tasks()
        self.waiting = 0
