"""The fleet: a nursery with one supervised task per agent.

Fleet
├─ supervise(agent)       ci/server/supervision.py: for ever
└─ remember_when_heard    writes "last heard" down, each minute
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
import trio

from ci.errors import (
    Conflict,
    NotFound,
    StoreFailed,
    TooManyAgents,
)
from ci.model import Agent, Attempt, Labels, Standing
from ci.outage import Outage
from ci.people import Asker
from ci.server.enrolments import Enrolments
from ci.server.journal import Journal
from ci.server.member import LONG_LOST_S, Address, Beliefs, Member
from ci.server.store.enrolling import Claim, Saved
from ci.server.store.store import Store
from ci.server.supervision import UNSTORED_REMIND_S, Supervision, essence, tell_unstored

SEEN_INTERVAL_S = 60.0  # how often "last heard" is written down; a restart may forget this much

# What an agent says of an attempt, in words for its page. That it runs is said there anyway.
_PHASES = {
    "accepted": "",
    "checkout": "checking out",
    "running": "",
    "picked up": "",
    "ending": "ending its processes",
    "delivering": "delivering its result",
}

log = structlog.get_logger()


class Fleet:
    """All agents that have registered and were not forgotten, each with its supervisor."""

    def __init__(
        self,
        nursery: trio.Nursery,
        store: Store,
        supervision: Supervision,
        now: Callable[[], datetime],
        *,
        max_agents: int,
        enrolments: Enrolments,
        journal: Journal,
    ) -> None:
        self._nursery = nursery  # supervisors outlive the call that adds an agent
        self._store = store
        self._supervision = supervision
        self._now = now
        self._max_agents = max_agents
        self._enrolments = enrolments
        self._journal = journal
        self._members: dict[str, Member] = {}
        self._tenants: dict[Address, Member] = {}  # who was the last to name an address as its own
        self._unstored = Outage(UNSTORED_REMIND_S)  # for the log
        self._beliefs = Beliefs()

    async def start(self) -> None:
        """Ask all agents that are remembered at once what they still run."""
        for agent in sorted(await self._store.agents(), key=lambda agent: agent.last_seen):
            member = self._add(agent)
            self._tenants[member.address] = member
        self._nursery.start_soon(self._remember_when_heard)

    @property
    def changes(self) -> int:
        """A version of what is believed of the agents."""
        return self._beliefs.changes

    @property
    def members(self) -> tuple[Member, ...]:
        """All agents, by name."""
        return tuple(self._members[name] for name in sorted(self._members))

    def free_slots(self, labels: Labels) -> int:
        """Count the slots that are free now for one that asks for `labels`."""
        able = (each for each in self._members.values() if each.labels.issuperset(labels))
        return sum(member.free_slots for member in able)

    async def register(
        self, said: Agent, claim: Claim, *, draining: bool = False, problem: str = ""
    ) -> Agent:
        """Take in an agent, or what a known one says anew; its link is made afresh if need be.

        An agent that drains, or has a `problem`, says so at once, so that it is not offered what
        it would refuse. A new one beyond the limit takes the place of one that is long lost.

        Raises Conflict when another agent of that name is online, or it has a credential that this
        one's `claim` does not have; Unauthorized for one that was revoked; TooManyAgents for a new
        one that finds no place.
        """
        member = self._members.get(said.name)
        if member is not None:
            self._refuse_namesake(member, said)

        def believe(saved: Saved) -> None:
            # In one go with the commit, also when who called has left: what is on disk holds.
            nonlocal member
            agent = saved.agent
            self._note(saved, claim)
            member = self._members.get(agent.name)
            displaced = self._members.get(saved.displaced) if saved.displaced else None
            if displaced is not None:
                self._drop(displaced)
                _tell_displaced(displaced, by=agent.name)
            if member is None:
                _tell_registered(agent, new=True)
                member = self._add(agent)
            else:
                if draining and not member.status.draining:
                    log.info("agent drains", agent=agent.name, next="it gets no more builds")
                news = {"draining": draining, "problem": problem}
                member.status = member.status.model_copy(update=news)
                if self._renew(member, agent):
                    _tell_registered(agent, new=False)
                member.call()
            self._move_in(member)

        try:
            long_lost = self._long_lost() if member is None else ()
            return await self._store.save_agent(said, believe, claim, self._max_agents, long_lost)
        except TooManyAgents as error:
            self._journal.agent_refused(error.message)
            raise

    async def pause(self, name: str, *, paused: bool, note: str, by: Asker | None = None) -> None:
        """Let an agent take no more work, and `note` why, or take it again. Raises NotFound."""
        member = self._members.get(name)
        if member is None:
            raise NotFound(f"there is no agent {name}", field="name")

        def believe(agent: Agent) -> None:
            changed = member.agent.paused != paused
            self._renew(member, agent)
            if changed and paused:
                log.info("agent paused", agent=name, note=note, next="it gets no more builds")
            elif changed:
                log.info("agent resumed", agent=name)

        await self._store.pause_agent(name, paused=paused, note=note, kept=believe, by=by)

    async def forget(self, name: str, by: Asker | None = None) -> None:
        """Leave a lost agent out from now on; if it registers again it is welcome.

        Raises NotFound, and Conflict while it answers or holds an attempt.
        """
        member = self._members.get(name)
        if member is None:
            raise NotFound(f"there is no agent {name}", field="name")
        if member.online:
            message = f"agent {name} answers, so it would be back at once; stop it first"
            raise Conflict(message, field="name")

        def drop() -> None:
            # In one go with the commit: an agent that is known here and not in the store would
            # be given work of which a restart knows nobody to ask.
            if self._members.get(name) is not member:
                return  # it was forgotten twice, and may have registered in between
            self._drop(member)
            self._enrolments.forget(name)
            log.info("agent forgotten", agent=name)

        await self._store.forget_agent(name, drop, by)

    async def revoke(self, name: str, by: Asker | None = None) -> None:
        """Let nobody in under this name any more; what it holds is given up. Raises NotFound."""

        def believe(saved: Saved) -> None:
            self._believe(saved)
            log.warning("agent revoked", agent=name, next="nothing is taken from it")

        await self._store.revoke_agent(name, believe, by)

    async def readmit(self, name: str, by: Asker | None = None) -> None:
        """Let whoever has the token enrol under this name. Raises NotFound."""

        def believe(saved: Saved) -> None:
            self._believe(saved)
            log.info("agent may enrol again", agent=name)

        await self._store.readmit_agent(name, believe, by)

    def _believe(self, saved: Saved) -> None:
        """Believe how an agent stands now, and call it accordingly."""
        self._note(saved)
        if (member := self._members.get(saved.agent.name)) is not None:
            self._renew(member, saved.agent)

    def _note(self, saved: Saved, claim: Claim | None = None) -> None:
        name, standing = saved.agent.name, saved.enrolment.standing
        if standing is Standing.ENROLLED and self._enrolments.standing(name) is not standing:
            log.info("agent enrolled", agent=name, next="its own credential counts, no token")
        self._enrolments.note(saved.enrolment, claim)

    def heard(self, name: str) -> None:
        """Note a sign of life that came by itself, such as a piece of a log."""
        if name in self._members:
            self._members[name].hear(self._now())

    def over(self, id: str, gone: bool) -> None:
        """Say that an attempt has ended; with `gone`, that its agent has nothing left of it.

        A watch that is not there yet, or a word that is lost, is mended by the next heartbeat.
        """
        for member in self._members.values():
            watch = member.watches.get(id)
            if watch is not None:
                watch.end(gone=gone)

    def phase(self, attempt: Attempt) -> str | None:
        """What an agent does with an attempt just now, as far as it has said."""
        member = self._members.get(attempt.agent)
        if member is None or not member.online:
            return f"agent {attempt.agent} does not answer"
        said = member.phases.get(attempt.id, "")
        return _PHASES.get(said, said) or None

    def _add(self, agent: Agent) -> Member:
        member = Member(agent, self._members, self._tenants, self._beliefs)
        self._members[agent.name] = member
        self._nursery.start_soon(self._supervision.serve, member)
        member.note_change()
        return member

    def _drop(self, member: Member) -> None:
        """Ask an agent no more that the store leaves out from now on."""
        del self._members[member.name]
        self._move_out(member)
        member.supervision.cancel()
        member.note_change()

    def _long_lost(self) -> tuple[str, ...]:
        """Name those to whom a new agent is preferred, the one that is away for longest first."""
        away = [member for member in self._members.values() if member.lost_s >= LONG_LOST_S]
        return tuple(member.name for member in sorted(away, key=lambda each: each.last_heard))

    def _renew(self, member: Member, agent: Agent) -> bool:
        """Believe what the store has of an agent; say whether it needs a fresh link for that."""
        moved = essence(member.agent) != essence(agent)
        if member.address != (agent.host, agent.port):
            self._move_out(member)
        member.agent = agent
        member.changed()
        if moved:
            member.link.cancel()
        return moved

    def _refuse_namesake(self, member: Member, said: Agent) -> None:
        known = member.agent
        same_place = (known.host, known.port) == (said.host, said.port)
        if member.online and not same_place and known.home_id != said.home_id:
            raise Conflict(
                f"name: {said.name!r} is taken by the agent at {known.host}:{known.port}; "
                "give one of them another name",
                field="name",
            )

    def _move_in(self, member: Member) -> None:
        """Note that an agent has named its address; the one before it is asked who it is.

        Those before that one are not: a hundred of them would be asked by each that comes.
        """
        before = member.tenant
        self._tenants[member.address] = member
        if before is not member:
            before.link.cancel()

    def _move_out(self, member: Member) -> None:
        if self._tenants.get(member.address) is member:
            del self._tenants[member.address]

    async def _remember_when_heard(self) -> None:
        written: dict[str, datetime] = {}
        while True:
            await trio.sleep(SEEN_INTERVAL_S)
            times = {member.name: member.last_heard for member in self._members.values()}
            fresh = {name: time for name, time in times.items() if written.get(name) != time}
            if not fresh:
                continue
            try:
                await self._store.agents_seen(fresh)
            except StoreFailed as error:
                tell_unstored(self._unstored, "when agents were heard", error)
            else:
                self._unstored.over()
                written = times


def _tell_displaced(member: Member, by: str) -> None:
    log.info(
        "agent displaced",
        agent=member.name,
        by=by,
        last_heard=member.last_heard,
        next="it is asked no more; if it registers again it is welcome",
    )


def _tell_registered(agent: Agent, *, new: bool) -> None:
    log.info(
        "agent registered",
        agent=agent.name,
        new=new,
        host=agent.host,
        port=agent.port,
        slots=agent.slots,
        version=agent.version,
    )
