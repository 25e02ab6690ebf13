"""What the probes of an agent share: the agent, a stand-in server, and a repository."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import trio

from ci.conformance.agent_process import AgentProcess
from ci.conformance.calls import Answer, Peer
from ci.conformance.probe import PATIENCE_S, Broken, CanNotTell, Probe, expect
from ci.conformance.repository import Repository
from ci.conformance.standin_server import StandInServer, Told
from ci.wire.job import plain_job

BUSY_S = 60.0  # for an agent to have a free slot again


@dataclass(slots=True)
class AgentStage:
    """Probes run on it one after the other. `process` is None where the agent is not ours."""

    agent: Peer
    server: StandInServer
    repository: Repository
    process: AgentProcess | None
    first_number: int
    patience_s: float = PATIENCE_S
    _numbers: count[int] = field(init=False)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin where no earlier run of the kit has been: an agent may remember ids."""
        self._numbers = count(self.first_number)

    def paced(self, seconds: float) -> float:
        """Return how long that is for who is more or less patient than usual."""
        return seconds * self.patience_s / PATIENCE_S

    def job(self, command: str, commit: str | None = None) -> tuple[str, dict[str, object]]:
        """Make a job; return its id and the body of `/build`."""
        number = next(self._numbers)
        repository = self.repository
        id = str(number)
        body = plain_job(id, number, repository.url, commit or repository.commit, command)
        return id, body | {"build": body}

    async def start(self, command: str, commit: str | None = None) -> str:
        """Hand a job over and return its id. Waits as long as the agent says "not now"."""
        id, body = self.job(command, commit)
        with trio.move_on_after(BUSY_S):
            while True:
                answer = await self.send(body)
                if answer is None or answer.is_good:
                    self._open.append(id)
                    return id
                expect(answer.status in (409, 429, 503), _refused(answer))
                await trio.sleep(0.2)
        raise Broken(f"it has not taken a job for {BUSY_S:g} s, though it should have nothing")

    async def send(self, body: dict[str, object]) -> Answer | None:
        """Send `/build`; None when it does not answer in time, as some don't until the end."""
        with trio.move_on_after(self.patience_s / 6):
            return await self.agent.post("/build", body)
        return None

    async def result(self, id: str, within_s: float | None = None) -> Told:
        """Wait for the result of a job. Raises Broken."""
        within_s = within_s or self.patience_s
        told = await self.server.wait_result(id, within_s)
        if told is None:
            unreadable = self.server.unreadable
            more = f"; what came can't be read: {unreadable[-1]}" if unreadable else ""
            raise Broken(f"no result came within {within_s:g} s{more}")
        return told

    async def run(self, command: str, commit: str | None = None) -> Told:
        """Hand a job over and wait for its result."""
        return await self.result(await self.start(command, commit))

    def need_process(self) -> AgentProcess:
        """Return the agent's process. Raises CanNotTell."""
        if self.process is None:
            raise CanNotTell("it is not the kit's to start and kill; give --start COMMAND")
        return self.process

    def limit_of(self, probe: Probe[Any]) -> float:
        """Return the seconds that a probe may take here."""
        return probe.limit_s * max(1.0, self.patience_s / PATIENCE_S)

    async def settle(self) -> None:
        """Wait for what the last probe has left."""
        server = self.server
        server.failures = server.largest = 0
        server.is_silent = False
        for id in self._open:
            await server.wait_result(id, self.patience_s / 3)
        self._open.clear()


def _refused(answer: Answer) -> str:
    return f"POST /build was answered {answer.status}: {answer.text[:200]}"
