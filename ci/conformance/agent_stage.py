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
from ci.errors import Unreachable
from ci.wire.job import plain_job
from ci.wire.registration import Registration

NOT_NOW = (409, 429, 503)  # how an agent that is busy says no
BUSY_S = 60.0  # for an agent to have a free slot again
AT_ONCE_S = 1.0  # in which an agent that answers before it has built has done so


@dataclass(slots=True)
class Handover:
    """A job on its way. `answer` is None until there is one, and `broken` says why none comes."""

    answer: Answer | None = None
    broken: Unreachable | None = None
    over: trio.Event = field(default_factory=trio.Event)


@dataclass(slots=True)
class AgentStage:
    """Probes run on it one after the other. `process` is None where the agent is not ours.

    `nursery` has the requests that are not answered yet: some agents answer when they have built.
    """

    agent: Peer
    server: StandInServer
    repository: Repository
    process: AgentProcess | None
    nursery: trio.Nursery
    first_number: int
    patience_s: float = PATIENCE_S
    _numbers: count[int] = field(init=False)
    _open: list[str] = field(default_factory=list)
    _asking: list[trio.CancelScope] = field(default_factory=list)
    _broken: str = ""

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

    async def start(
        self, command: str, commit: str | None = None, within_s: float | None = None
    ) -> str:
        """Hand a job over and return its id, if need be without an answer: see `hand_over`.

        Waits as long as the agent says "not now".
        """
        id, body = self.job(command, commit)
        with trio.move_on_after(BUSY_S):
            while True:
                answer = (await self.hand_over(body, within_s)).answer
                if answer is None or answer.is_good:
                    self._open.append(id)
                    return id
                expect(answer.status in NOT_NOW, _refused(answer))
                await trio.sleep(0.2)
        raise Broken(f"it has not taken a job for {BUSY_S:g} s, though it should have nothing")

    async def hand_over(self, body: dict[str, object], within_s: float | None = None) -> Handover:
        """Send `/build`, and wait some seconds for the answer. The request stays open after that.

        Raises Unreachable when nobody listens.
        """
        handover = Handover()
        self.nursery.start_soon(self._ask, body, handover)
        with trio.move_on_after(self.patience_s / 6 if within_s is None else within_s):
            await handover.over.wait()
        if handover.broken is not None:
            if not handover.broken.sent:
                raise handover.broken
            self._broken = f"; POST /build: {handover.broken}"
        return handover

    async def _ask(self, body: dict[str, object], handover: Handover) -> None:
        with trio.CancelScope() as scope:
            self._asking.append(scope)
            try:
                handover.answer = await self.agent.post("/build", body)
            except Unreachable as error:
                handover.broken = error
            handover.over.set()

    async def result(self, id: str, within_s: float | None = None) -> Told:
        """Wait for the result of a job. Raises Broken."""
        within_s = within_s or self.patience_s
        told = await self.server.wait_result(id, within_s)
        if told is None:
            unreadable = self.server.unreadable
            more = f"; what came can't be read: {unreadable[-1]}" if unreadable else ""
            raise Broken(f"no result came within {within_s:g} s{more}{self._broken}")
        return told

    async def registered(self, known: int, within_s: float) -> Registration:
        """Wait until the agent has registered more often than `known`. Raises Broken."""
        said = None
        async with trio.open_nursery() as nursery:
            if self.process is not None:
                nursery.start_soon(self._give_up_if_ended, self.process, nursery.cancel_scope)
            said = await self.server.wait_agent(known, within_s)
            nursery.cancel_scope.cancel()
        if said is None and self.process is not None and self.process.ended is not None:
            raise Broken(f"its command ended with {self.process.ended} before it had registered")
        where = f"http://{self.server.door.host}:{self.server.door.number}"
        expect(said is not None, f"no registration came to {where} within {within_s:g} s")
        assert said is not None
        return said

    async def _give_up_if_ended(self, process: AgentProcess, waiting: trio.CancelScope) -> None:
        await process.wait()
        waiting.cancel()

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
        for scope in self._asking:
            scope.cancel()
        self._open.clear()
        self._asking.clear()
        self._broken = ""


def _refused(answer: Answer) -> str:
    return f"POST /build was answered {answer.status}: {answer.text[:200]}"
