"""Member: what the server believes of one agent. Memory only; the store has what must last."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from datetime import datetime

import trio

from ci.errors import PeerRefused
from ci.model import Agent, AgentState, Labels
from ci.outage import Outage
from ci.server.views import Refusal
from ci.wire.status import AgentStatus

LATE_REPLY_S = 5.0  # for the answer to `/build` after the result
LOST_REMIND_S = 3600.0  # between two log lines about an agent that stays away
LONG_LOST_S = 600.0  # a machine is restarted, and a program upgraded, in less


class Beliefs:
    """Counts the changes of what is believed of all agents; pages ask each second."""

    def __init__(self) -> None:
        self.changes = 0


class Watch:
    """What the slot that hands an attempt over waits for.

    Of an agent that `answers_at_once` it is still heard whether it has what is over by then: what
    it has, it ends, and brings the log of it. Others may answer only when the build is over.
    """

    def __init__(self, id: str, *, answers_at_once: bool) -> None:
        self.id = id
        self._answers_at_once = answers_at_once
        self.since = math.inf  # trio's time from which on the agent must know of it
        self.over = trio.Event()  # the store says that the attempt has ended
        self.gone = trio.Event()  # the agent has nothing left of it
        self.handing_over = trio.CancelScope()
        self.asking = trio.CancelScope()  # while an agent of others leaves `/build` unanswered

    def end(self, *, gone: bool) -> None:
        """Say that the attempt has ended; with `gone`, that its agent has nothing left of it."""
        self.over.set()
        if gone or not self._answers_at_once:
            self.handing_over.cancel()  # a reply that comes after the result is not waited for,
            # but who is just about to answer is not cut off.
            self.asking.deadline = trio.current_time() + LATE_REPLY_S
        if gone:
            self.gone.set()


Address = tuple[str, int]


class Member:
    """One agent, as link, queue and pages see it.

    `tenants` has for each address the member that was the last to name it as its own.
    """

    def __init__(
        self,
        agent: Agent,
        fleet: Mapping[str, Member],
        tenants: Mapping[Address, Member],
        beliefs: Beliefs,
    ) -> None:
        self.agent = agent
        self._fleet = fleet
        self._tenants = tenants
        self._beliefs = beliefs
        self.online = False
        self.problem = "was not asked yet"
        self.status = AgentStatus()
        self.heard_at = trio.current_time()
        self.last_heard: datetime = agent.last_seen
        self.watches: dict[str, Watch] = {}
        self._owes: dict[str, float] = {}  # see `owed_since`
        self.refused: Refusal | None = None  # the last time
        self.refusing = 0  # slots that have just been refused, and wait before they ask again
        self.nobody_at = -math.inf  # trio's time when nobody listened at its port, the last time
        self.phases: dict[str, str] = {}  # attempt id → what the agent does with it
        self.supervision = trio.CancelScope()  # cancelled when it is forgotten
        self.link = trio.CancelScope()  # of its latest link; cancelled when that must be made anew
        self.away = Outage(LOST_REMIND_S)  # for the log
        self.called = trio.Event()  # set, and made anew, when the agent registers
        self._gate = trio.Event()

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.name

    @property
    def address(self) -> Address:
        """Where the agent says that it is."""
        return self.agent.host, self.agent.port

    @property
    def tenant(self) -> Member:
        """Who was the last to name this address as its own."""
        return self._tenants.get(self.address, self)

    @property
    def lost_s(self) -> float:
        """For how many seconds it has given no sign of life; 0 while it answers."""
        return 0.0 if self.online else trio.current_time() - self.heard_at

    @property
    def state(self) -> AgentState:
        """Its state, in the word that the pages use."""
        if not self.online:
            return AgentState.LOST
        if self.status.draining:
            return AgentState.DRAINING
        return AgentState.PAUSED if self.agent.paused else AgentState.ONLINE

    @property
    def accepting(self) -> bool:
        """Whether it takes work now."""
        return self.state is AgentState.ONLINE and not self.status.problem

    @property
    def takes_work(self) -> bool:
        """Whether it also does what it says: one that refuses what it is given does not."""
        return self.accepting and not self.refusing

    @property
    def labels(self) -> frozenset[str]:
        """What it can do, as it has said."""
        return frozenset(self.agent.labels)

    def has_peers(self, labels: Labels) -> bool:
        """Whether another agent that has these labels takes work now as well."""
        return any(
            member.takes_work and member is not self and member.labels.issuperset(labels)
            for member in self._fleet.values()
        )

    @property
    def free_slots(self) -> int:
        """How many attempts more it could take now."""
        return max(0, self.agent.slots - len(self.watches)) if self.takes_work else 0

    async def wait_accepting(self) -> None:
        """Block until it takes work."""
        while not self.accepting:
            await self._gate.wait()

    def note_change(self) -> None:
        """Count a change of what is believed of it, so that pages are made anew."""
        self._beliefs.changes += 1

    def changed(self) -> None:
        """Let those who wait for this agent look again."""
        self.note_change()
        self._gate.set()
        self._gate = trio.Event()

    def call(self) -> None:
        """Note that it registered, so that nobody waits longer than needed to try it again."""
        self.called.set()
        self.called = trio.Event()

    def hear(self, time: datetime) -> None:
        """Note a sign of life."""
        self.heard_at = trio.current_time()
        self.last_heard = time

    def owed_since(self, id: str) -> float:
        """Return since when a canceled attempt is waited for, in trio's seconds: now, at first.

        A link that is made anew does not begin anew.
        """
        return self._owes.setdefault(id, trio.current_time())

    def owes_only(self, ids: Container[str]) -> None:
        """Note that no other attempts than these are waited for."""
        self._owes = {id: since for id, since in self._owes.items() if id in ids}

    def watch(self, id: str) -> Watch:
        """Begin to watch an attempt that is handed over, or taken up again."""
        watch = Watch(id, answers_at_once=self.agent.native)
        self.watches[id] = watch
        return watch


def check_identity(member: Member, status: AgentStatus) -> None:
    """Make sure that who answers is who is meant. Raises PeerRefused.

    Two agents may say that they are at one address; each must be asked for its own attempts only.
    """
    known = member.agent
    if not (status.name or status.home_id or member.tenant is member):
        message = f"the agent {member.tenant.name!r} has registered at this address since"
        raise PeerRefused(200, message)
    if (status.name or known.name, status.home_id or known.home_id) != (known.name, known.home_id):
        raise PeerRefused(200, f"the agent {status.name!r} answers at this address")
