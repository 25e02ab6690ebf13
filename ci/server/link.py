"""One agent's life while it answers.

Link.run
├─ heartbeat        heartbeat.py; three misses raise AgentLost and with it end all the rest
├─ slot             lease → hand over (handover.py) → wait until it is over; one task per slot
├─ …
├─ question         `/build`, while an agent of others leaves it unanswered
└─ slot (taken up)  the same, beginning with an attempt that the agent had already

Whatever an agent still holds when its link ends stays leased to it: the fleet decides, after the
grace time, whether it is given up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
import trio

from ci.backoff import delays
from ci.config import ServerConfig
from ci.errors import AgentLost, PeerRefused, Unreachable
from ci.model import Outcome, Reason, Status
from ci.outage import Outage
from ci.server.admission import Admission
from ci.server.client import AgentClient
from ci.server.handover import HandOver
from ci.server.heartbeat import Heartbeat
from ci.server.journal import Journal
from ci.server.member import Member, Watch
from ci.server.metrics import HandoverFailure
from ci.server.queue import Queue
from ci.server.room import Room
from ci.server.store.store import Store
from ci.server.vault import Vault
from ci.server.views import Refusal
from ci.server.withdrawal import OVERTIME_S, ask_cancel, end_attempt, give_up
from ci.wire.status import AgentStatus

REFUSAL_REMIND_S = 600.0  # between two log lines about an agent that goes on to refuse
STANDSTILL_S = 5.0  # woken so much later than asked for: this machine or process stood still
GONE_S = 30.0  # how long a slot waits for the end of a canceled attempt, if we take it

log = structlog.get_logger()


class Link:
    """Heartbeat and dispatch for one agent that has just answered."""

    def __init__(
        self,
        member: Member,
        client: AgentClient,
        *,
        store: Store,
        queue: Queue,
        config: ServerConfig,
        now: Callable[[], datetime],
        journal: Journal,
        room: Room,
        vault: Vault,
    ) -> None:
        self._member = member
        self._client = client
        self._store = store
        self._queue = queue
        self._config = config
        self._now = now
        self._journal = journal
        self._room = room
        self._vault = vault
        self._refusals = Outage(REFUSAL_REMIND_S)  # for the log
        self._heartbeat = Heartbeat(member, client, store, config, now=now, room=room)
        self._admission = Admission(config)
        self._hand_over: HandOver

    async def run(self, status: AgentStatus) -> None:
        """Give the agent work until it is lost: ends by raising AgentLost, in a group.

        `status` is its first answer; what it still runs is taken up, the rest is given up.
        """
        self._member.watches.clear()
        # Read after the status: what the agent delivered before it answered is not held any more.
        held = await self._store.held(self._member.name)
        watches = []
        for attempt in sorted(held, key=lambda each: each.status.ended):  # what runs comes first
            watch = self._member.watch(attempt.id)
            watch.since = -math.inf
            if attempt.status.ended:  # canceled: its processes may still be there
                watch.end(gone=False)
            watches.append(watch)
        slots = self._member.agent.slots
        async with trio.open_nursery() as nursery:
            self._hand_over = HandOver(
                self._member, self._client, self._store, self._config, nursery
            )
            nursery.start_soon(self._heartbeat.serve, status)
            for nth in range(slots):  # some have several if it had more slots before
                nursery.start_soon(self._slot, watches[nth::slots])

    async def _slot(self, watches: Sequence[Watch]) -> None:
        """Do one attempt after the other, beginning with those that are given, if any."""
        for watch in watches:
            await self._until_over(watch)
        refusals = delays()
        while True:
            try:
                taken = await self._next()
                refusals = delays()
                self._member.problem = ""
                if (lasted_s := self._refusals.over()) is not None:
                    log.info("agent takes work again", agent=self._member.name, after_s=lasted_s)
            except Unreachable as error:
                raise AgentLost(str(error)) from error
            except PeerRefused as error:
                self._member.problem = str(error)
                self._tell_refusal(str(error))
                await self._bear_refusal(next(refusals))
            else:
                if taken is not None:
                    await self._until_over(taken)

    async def _bear_refusal(self, wait_s: float) -> None:
        """Wait until the agent may be asked again, or registers; it is nobody's peer meanwhile."""
        self._member.refusing += 1
        self._member.note_change()
        try:
            with trio.move_on_after(wait_s):
                await self._member.called.wait()
        finally:
            self._member.refusing -= 1
            self._member.note_change()

    async def _next(self) -> Watch | None:
        """Lease an attempt and hand it over. None when it is over before the agent has it.

        Raises PeerRefused when it does not take it now, Unreachable when nobody listens there any
        more, and AgentLost when it does not say for too long; the build waits again.
        """
        async with self._queue.lease(self._member) as hold:
            id, build = hold.lease.attempt.id, hold.lease.build
            watch = self._member.watch(id)
            try:
                if await self._canceled_meanwhile(id):
                    return None  # and it is put back: nobody has it, so its log is at its end
                refusal = self._admission.refusal(build.repository_url, build.command)
                if refusal is not None:  # the rules are stricter than when it was asked for
                    hold.taken = True
                    await end_attempt(self._store, id, refusal)
                    return None
                packed = await self._vault.pack(build, self._member.agent, self._member.status)
                if packed.note:
                    await self._store.note_secrets(id, packed.note, packed.keys)
                if packed.refusal is not None:
                    hold.taken = True
                    await end_attempt(self._store, id, packed.refusal)
                    return None
                await self._hand_over.run(hold, watch, packed.secrets)
            except Unreachable:
                self._journal.metrics.handover_failures.labels(HandoverFailure.UNREACHABLE).inc()
                raise
            except AgentLost:
                self._journal.metrics.handover_failures.labels(HandoverFailure.NO_ANSWER).inc()
                raise
            except PeerRefused as error:
                self._journal.metrics.handover_failures.labels(HandoverFailure.REFUSED).inc()
                self._member.refused = Refusal(build.number, str(error), self._now())
                if not self._hand_over.is_final(error):
                    raise
                hold.taken = True
                message = f"Agent {self._member.name} refused it: {error.body}"
                outcome = Outcome(Status.ERROR, Reason.COMMAND_REFUSED, message)
                await end_attempt(self._store, id, outcome)
                return None
            else:
                watch.since = trio.current_time()
                if not watch.over.is_set():  # else its end has overtaken the agent's answer
                    self._journal.handed_over(hold.lease, self._now())
                return watch
            finally:
                if watch.since == math.inf:  # not handed over
                    self._member.watches.pop(id, None)

    def _tell_refusal(self, error: str) -> None:
        """Say that the agent takes no work: at first, and then now and then."""
        lasted_s = self._refusals.failed()
        name = self._member.name
        if lasted_s == 0:
            log.warning("agent takes no work", agent=name, error=error, next="it is asked again")
        elif lasted_s is not None:
            log.warning("agent still takes no work", agent=name, for_s=lasted_s, error=error)

    async def _canceled_meanwhile(self, id: str) -> bool:
        """Whether the attempt ended before there was a watch for it."""
        attempt = await self._store.attempt(id)
        return attempt is None or attempt.status.ended

    async def _until_over(self, watch: Watch) -> None:
        """Wait until the attempt is over and the agent has nothing left of it."""
        limit_s = self._config.build_timeout_seconds + OVERTIME_S
        await self._hear(watch.over, trio.current_time(), limit_s)
        if not watch.over.is_set():
            why = f"said nothing of it for {limit_s:g} s"
            await give_up(self._store, self._member.name, watch.id, Reason.AGENT_LOST, why)
        if not watch.gone.is_set():
            attempt = await self._store.attempt(watch.id)
            native = self._member.agent.native
            lease_mark = attempt.lease_mark if attempt and native else ""
            await ask_cancel(self._client, self._member.name, watch.id, lease_mark)
            # An agent of others may know no /cancel: its slot is free when it delivers.
            owed_since = self._member.owed_since(watch.id)
            await self._hear(watch.gone, owed_since, GONE_S if native else limit_s)
        self._member.watches.pop(watch.id, None)

    async def _hear(self, event: trio.Event, since: float, limit_s: float) -> None:
        """Wait for what the agent is to tell, for `limit_s` in which we could have taken it."""
        deadline = max(since + limit_s, self._room.refused_at + OVERTIME_S)
        while not event.is_set() and trio.current_time() < deadline:
            with trio.move_on_at(deadline):
                await event.wait()
            # What has ended and finds no room with us asks at least twice a minute, and is refused:
            # that is our fault. Since the last refusal it has as long as any other result. The same
            # since we woke, if we stood still and could hear nobody.
            ours_till = self._room.refused_at
            if (now := trio.current_time()) > deadline + STANDSTILL_S:
                ours_till = now
            deadline = max(deadline, ours_till + OVERTIME_S)
