"""Supervision: what the server does about one agent, from its registration until it is forgotten.

serve(member)           for ever: ask it, link, and when it is lost, wait out the grace time,
                        give up what it held, back off, ask again
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
import trio

from ci.backoff import CAP_S, delays
from ci.config import ServerConfig
from ci.errors import AgentLost, PeerRefused, StoreFailed, Unreachable
from ci.model import Agent, Outcome, Reason, Standing, Status
from ci.outage import Outage
from ci.server.client import ANSWER_S, AgentClient
from ci.server.journal import Journal
from ci.server.lifesign import first_sign, note_nobody
from ci.server.link import Link
from ci.server.member import Member, check_identity
from ci.server.queue import Queue
from ci.server.room import Room
from ci.server.store.store import Store
from ci.server.vault import Vault
from ci.server.withdrawal import end_attempt

UNSTORED_REMIND_S = 600.0  # between two log lines about what the store does not take
LOST_SHARE = 1 / 20  # of the time that an agent is lost already may pass until it is asked again
LOST_CAP_S = 600.0  # for it may be back and not say so; a thousand are asked 3 times a second then

# What ends a link and is tried again; anything else is a bug and ends the process.
_PASSING = (AgentLost, Unreachable, PeerRefused, trio.TooSlowError, StoreFailed)

log = structlog.get_logger()


class Supervision:
    """Has what it takes to serve an agent; one for all of them."""

    def __init__(
        self,
        *,
        store: Store,
        queue: Queue,
        config: ServerConfig,
        dial: Callable[[Agent], AgentClient],
        now: Callable[[], datetime],
        journal: Journal,
        room: Room,
        vault: Vault,
    ) -> None:
        self._store = store
        self._queue = queue
        self._config = config
        self._dial = dial
        self._now = now
        self._journal = journal
        self._room = room
        self._vault = vault
        self._unstored = Outage(UNSTORED_REMIND_S)  # for the log

    async def serve(self, member: Member) -> None:
        """Supervise an agent until it is forgotten."""
        with member.supervision:
            await self._serve(member)

    async def _serve(self, member: Member) -> None:
        waits = delays()
        while True:
            called = member.called
            try:
                await self._link(member)
                continue  # it moved, or has other slots now: a fresh link at once
            except* _PASSING as group:
                error = _first(group)
            note_nobody(member, error)
            was_online, member.online = member.online, False
            member.problem = str(error) or f"no answer within {ANSWER_S:g} s"
            if not isinstance(error, StoreFailed):
                if was_online:
                    waits = delays()
                    self._journal.metrics.agents_lost.inc()
                self._tell_lost(member)
            member.note_change()
            wait_s = next(waits) * _rarity(member.lost_s)
            wait_s = await self._patience(member, wait_s, was_online=was_online)
            with trio.move_on_after(wait_s):
                await called.wait()

    async def _link(self, member: Member) -> None:
        """Ask the agent and, once it has answered, serve it until it is lost or has moved."""
        agent = member.agent
        if agent.standing is Standing.REVOKED:
            raise AgentLost("an administrator has revoked it; nothing is taken from it")
        client = self._dial(agent)
        status = await first_sign(client, native=agent.native)
        check_identity(member, status)
        if essence(member.agent) != essence(agent):
            return
        away_s = member.away.over()
        log.info("agent online", agent=member.name, url=client.url, away_s=away_s)
        link = Link(
            member,
            client,
            store=self._store,
            queue=self._queue,
            config=self._config,
            now=self._now,
            journal=self._journal,
            room=self._room,
            vault=self._vault,
        )
        member.hear(self._now())
        member.status, member.online, member.problem = status, True, ""
        member.changed()
        member.link = trio.CancelScope()
        with member.link:
            await link.run(status)

    def _tell_lost(self, member: Member) -> None:
        """Say that an agent does not answer: at first, and then each hour."""
        lost_s = member.away.failed()
        if lost_s == 0:
            log.warning(
                "agent lost",
                agent=member.name,
                error=member.problem,
                last_heard=member.last_heard,
                next=f"what it runs is given up {self._config.grace_seconds:g} s after that",
            )
        elif lost_s is not None:
            log.warning("agent still lost", agent=member.name, for_s=lost_s, error=member.problem)

    async def _patience(self, member: Member, wait_s: float, *, was_online: bool) -> float:
        """Give up what a lost agent held if its grace is over; return the seconds to wait now.

        One that `was_online` is asked once more before that: if this machine stood still for a
        while, it was not the agent who was silent.
        """
        grace_s = self._config.grace_seconds
        grace_left_s = member.heard_at + grace_s - trio.current_time()
        try:
            held = await self._store.held(member.name)
            if held and (grace_left_s > 0 or was_online):
                return max(0.0, min(wait_s, grace_left_s))
            if held:
                log.warning(
                    "grace over",
                    agent=member.name,
                    grace_s=grace_s,
                    attempts=[attempt.id for attempt in held],
                    next="they are given up",
                )
            message = f"Agent {member.name} has not answered for {grace_s:g} s ({member.problem})."
            for attempt in held:
                outcome = Outcome(Status.ERROR, Reason.AGENT_LOST, message)
                await end_attempt(self._store, attempt.id, outcome)
        except StoreFailed as error:
            tell_unstored(self._unstored, "the end of lost attempts", error)
        else:
            self._unstored.over()
        return wait_s


def essence(agent: Agent) -> tuple[object, ...]:
    """What makes a new link needed when it changes."""
    where = agent.host, agent.port, agent.certificate
    secret = agent.standing, agent.generation
    return where, secret, agent.slots, agent.labels, agent.boot_id, agent.native


def tell_unstored(outage: Outage, what: str, error: StoreFailed) -> None:
    """Say that the store does not take what nobody but us asks for: at first, then now and then."""
    if (lasted_s := outage.failed()) is not None:
        log.error("not stored", what=what, error=str(error), for_s=lasted_s, next="tried again")


def _rarity(lost_s: float) -> float:
    """How many times more rarely an agent is asked than one that has just been lost.

    One that is back says so itself, unless it is an agent of others that does so only once.
    """
    cap_s = min(max(CAP_S, lost_s * LOST_SHARE), LOST_CAP_S)
    return cap_s / CAP_S


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """The first failure of a group, however deep."""
    error: Exception | BaseExceptionGroup[Exception] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
