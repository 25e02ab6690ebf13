"""One agent's life while it answers.

Link.run
├─ heartbeat        asks /status; three misses raise AgentLost and with it end all the rest
├─ slot             lease → hand over → wait until it is over; one task per slot
├─ …
└─ slot (taken up)  the same, beginning with an attempt that the agent had already

Whatever an agent still holds when its link ends stays leased to it: the fleet decides, after the
grace time, whether it is given up.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog
import trio

from ci.backoff import delays
from ci.config import ServerConfig
from ci.errors import AgentLost, GivenUp, PeerRefused, Unreachable
from ci.model import Attempt, CommitInfo, Outcome, Reason, Status
from ci.outage import Outage
from ci.server.client import AgentClient
from ci.server.journal import Journal
from ci.server.member import Member, Watch
from ci.server.queue import Hold, Queue
from ci.server.room import Room
from ci.server.store.store import Store
from ci.wire.job import write_job
from ci.wire.registration import AttemptState
from ci.wire.status import AgentStatus

MISSES = 3  # one lost packet or one slow moment is no death
MISS_INTERVAL_S = 1.0  # after a miss it is asked again sooner: the page tells within seconds
SILENT_HEARTBEATS = 3  # or so long without any sign of life, however few times it was asked
ANSWER_S = 5.0  # an agent answers /status and /build at once: it only has to note it down
OVERTIME_S = 120.0  # an attempt's own limit is its agent's to keep; this much later it is ours
REFUSAL_REMIND_S = 600.0  # between two log lines about an agent that goes on to refuse
STANDSTILL_S = 5.0  # woken so much later than asked for: this machine or process stood still
GONE_S = 30.0  # how long a slot waits for a canceled command's processes to be gone
_SERVER_ERROR = 500  # or more: a proxy, or a bug; nobody knows what happened behind it
# What our agents answer when they can't take a job now; any other refusal is of the job itself.
_NOT_NOW = (401, 403, 404, 408, 409, 421, 425, 429)
_NEVER = (413, 415, 422)  # and others: they say "not now" in all kinds of ways

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
    ) -> None:
        self._member = member
        self._client = client
        self._store = store
        self._queue = queue
        self._config = config
        self._now = now
        self._journal = journal
        self._room = room
        self._refusals = Outage(REFUSAL_REMIND_S)  # for the log

    async def run(self, status: AgentStatus) -> None:
        """Give the agent work until it is lost: ends by raising AgentLost, in a group.

        `status` is its first answer; what it still runs is taken up, the rest is given up.
        """
        self._member.watches.clear()
        # Read after the status: what the agent delivered before it answered is not held any more.
        held = await self._store.held(self._member.name)
        watches = [self._member.watch(attempt.id) for attempt in held]
        for watch in watches:
            watch.since = -math.inf
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._heartbeat, status)
            for watch in watches:
                nursery.start_soon(self._slot, watch)
            for _ in range(self._member.agent.slots - len(watches)):
                nursery.start_soon(self._slot, None)

    async def _heartbeat(self, status: AgentStatus) -> None:
        await self._compare(status, trio.current_time())
        misses = 0
        # After a restart all agents come at once. Each has its own moment within the interval, so
        # that a hundred of them are not asked in one breath for ever after.
        wait_s = self._config.heartbeat_seconds * _phase(self._member.name)
        while True:
            await trio.sleep(MISS_INTERVAL_S if misses else wait_s)
            wait_s = self._config.heartbeat_seconds
            asked_at = trio.current_time()
            try:
                with trio.fail_after(ANSWER_S):
                    status = await self._client.status()
                check_identity(self._member, status)
            except (Unreachable, PeerRefused, trio.TooSlowError) as error:
                misses += 1
                log.info(
                    "agent missed a heartbeat",
                    agent=self._member.name,
                    misses=misses,
                    error=str(error) or f"no answer within {ANSWER_S:g} s",
                )
                if misses >= MISSES or self._silent():
                    raise AgentLost(str(error) or f"no answer within {ANSWER_S:g} s") from error
                continue
            misses = 0
            self._member.hear(self._now())
            self._note(status)
            await self._compare(status, asked_at)

    def _note(self, status: AgentStatus) -> None:
        """Take down what it says, and let those look again who wait for it to take work."""
        member, before = self._member, self._member.status
        member.status = status
        if status.draining and not before.draining:
            log.info("agent drains", agent=member.name, next="it gets no more builds")
        if (status.draining, bool(status.problem)) != (before.draining, bool(before.problem)):
            member.changed()

    def _silent(self) -> bool:
        silence_s = trio.current_time() - self._member.heard_at
        return silence_s >= SILENT_HEARTBEATS * self._config.heartbeat_seconds

    async def _compare(self, status: AgentStatus, asked_at: float) -> None:
        """Mend what differs between the agent's attempts and ours."""
        if status.attempts is not None:
            self._member.phases = {each.id: each.state for each in status.attempts}
            held = await self._held() if status.attempts else {}
            for each in status.attempts:
                if each.id not in held or not held[each.id].is_meant(each.lease_mark):
                    await self._cancel(each.id, each.lease_mark)
                elif each.commit_hash:
                    await self._note_commit(each)
        held = await self._held()  # read anew: each watch that is there now was leased before this
        for id, watch in list(self._member.watches.items()):
            if id not in held:
                watch.end(gone=False)
            if status.attempts is None or watch.since >= asked_at:
                continue
            if id not in self._member.phases:
                watch.gone.set()
                if id in held:
                    await self._give_up(id, Reason.AGENT_RESTARTED, "has forgotten it")

    async def _held(self) -> dict[str, Attempt]:
        return {attempt.id: attempt for attempt in await self._store.held(self._member.name)}

    async def _slot(self, watch: Watch | None) -> None:
        """Do one attempt after the other, beginning with the one that is given, if any."""
        refusals = delays()
        while True:
            if watch is not None:
                await self._until_over(watch)
            try:
                watch = await self._next()
                refusals = delays()
                self._member.problem = ""
                if (lasted_s := self._refusals.over()) is not None:
                    log.info("agent takes work again", agent=self._member.name, after_s=lasted_s)
            except Unreachable as error:
                raise AgentLost(str(error)) from error
            except PeerRefused as error:
                watch = None
                self._member.problem = str(error)
                self._tell_refusal(str(error))
                await self._bear_refusal(next(refusals))

    async def _bear_refusal(self, wait_s: float) -> None:
        """Wait until the agent may be asked again, or registers; it is nobody's peer meanwhile."""
        self._member.refusing += 1
        self._member.changes += 1
        try:
            with trio.move_on_after(wait_s):
                await self._member.called.wait()
        finally:
            self._member.refusing -= 1
            self._member.changes += 1

    async def _next(self) -> Watch | None:
        """Lease an attempt and hand it over. None when it is over before the agent has it.

        Raises PeerRefused when it does not take it now, Unreachable when nobody listens there any
        more, and AgentLost when it does not say for too long; the build waits again.
        """
        async with self._queue.lease(self._member) as hold:
            id = hold.lease.attempt.id
            watch = self._member.watch(id)
            try:
                if await self._canceled_meanwhile(id):
                    hold.taken = True
                    return None
                await self._hand_over(hold, watch)
            except Unreachable:
                self._journal.metrics.handover_failures.labels("unreachable").inc()
                raise
            except AgentLost:
                self._journal.metrics.handover_failures.labels("no_answer").inc()
                raise
            except PeerRefused as refusal:
                self._journal.metrics.handover_failures.labels("refused").inc()
                if not self._is_final(refusal):
                    raise
                hold.taken = True
                message = f"Agent {self._member.name} refused it: {refusal.body}"
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

    def _is_final(self, refusal: PeerRefused) -> bool:
        """Whether the agent will never take this job: else it would hold up all behind it."""
        if self._member.agent.native:
            return refusal.status not in _NOT_NOW
        return refusal.status in _NEVER

    async def _canceled_meanwhile(self, id: str) -> bool:
        """Whether the attempt ended before there was a watch for it."""
        attempt = await self._store.attempt(id)
        return attempt is None or attempt.status.ended

    async def _hand_over(self, hold: Hold, watch: Watch) -> None:
        """Ask the agent until it has answered, or until the attempt is over without an answer."""
        native = self._member.agent.native
        body = write_job(
            hold.lease,
            self._config.build_timeout_seconds,
            self._config.silence_timeout_seconds,
            self._config.max_log_bytes,
            self._member.status.boot_id,
            native=native,
        )
        waits = delays()
        limit_s = self._config.grace_seconds
        deadline = trio.current_time() + limit_s
        unsure = False  # whether an earlier try may have reached it
        is_last = False
        with watch.handing_over:
            while not is_last:
                # It is asked once more after the limit: if this machine stood still for so long, it
                # was not the agent who was silent.
                is_last = trio.current_time() >= deadline
                hold.taken = True  # from here on the agent may have it
                try:
                    with trio.fail_after(ANSWER_S):
                        await self._client.build(body)
                    return
                except PeerRefused as refusal:
                    if not (refusal.status >= _SERVER_ERROR and native):
                        if not unsure or self._is_final(refusal):
                            hold.taken = unsure
                            raise
                        # It has no room now; what became of the earlier request it says itself.
                        has_it = await self._has(hold.lease.attempt)
                        if has_it is False:
                            hold.taken = False
                            raise
                        if has_it:
                            why = f"may have taken it, then answered {refusal.status}"
                            await self._give_up(watch.id, Reason.AGENT_LOST, why)
                            raise
                except (Unreachable, trio.TooSlowError) as error:
                    if isinstance(error, Unreachable) and not error.sent:
                        hold.taken = unsure
                        raise
                    if not native:
                        return  # some answer only when the build is over
                # It may have it or not. Ours takes the same id only once, so ask again.
                unsure = True
                await trio.sleep(max(0.0, min(next(waits), deadline - trio.current_time())))
        if not watch.over.is_set():
            why = f"did not say within {limit_s:g} s whether it took it"
            await self._give_up(watch.id, Reason.AGENT_LOST, why)
            raise AgentLost(why)

    async def _has(self, attempt: Attempt) -> bool | None:
        """Ask the agent whether it may have an attempt. None when it does not answer.

        If a request for it is still on its way, what comes of that is ended by a heartbeat.
        """
        try:
            with trio.fail_after(ANSWER_S):
                status = await self._client.status()
            check_identity(self._member, status)
        except (Unreachable, PeerRefused, trio.TooSlowError):
            return None
        if status.attempts is None:
            return True
        return any(
            each.id == attempt.id and attempt.is_meant(each.lease_mark) for each in status.attempts
        )

    async def _until_over(self, watch: Watch) -> None:
        """Wait until the attempt is over and the agent has nothing left of it."""
        limit_s = self._config.build_timeout_seconds + OVERTIME_S
        deadline = trio.current_time() + limit_s
        while not watch.over.is_set() and trio.current_time() < deadline:
            with trio.move_on_at(deadline):
                await watch.over.wait()
            # What has ended and finds no room with us asks at least twice a minute, and is refused:
            # that is our fault. Since the last refusal it has as long as any other result. The same
            # since we woke, if we stood still and could hear nobody.
            ours_till = self._room.refused_at
            if (now := trio.current_time()) > deadline + STANDSTILL_S:
                ours_till = now
            deadline = max(deadline, ours_till + OVERTIME_S)
        if not watch.over.is_set():
            await self._give_up(watch.id, Reason.AGENT_LOST, f"said nothing of it for {limit_s} s")
        if not watch.gone.is_set():
            attempt = await self._store.attempt(watch.id)
            native = self._member.agent.native
            await self._cancel(watch.id, attempt.lease_mark if attempt and native else "")
            # An agent of others may know no /cancel: its slot is free when it delivers.
            with trio.move_on_after(GONE_S if self._member.agent.native else limit_s):
                await watch.gone.wait()
        self._member.watches.pop(watch.id, None)

    async def _cancel(self, id: str, lease_mark: str) -> None:
        """Ask the agent to end an attempt. If it does not hear, the next heartbeat asks again.

        By the mark it knows one that it has been handed since then with the same id.
        """
        try:
            with trio.fail_after(ANSWER_S):
                await self._client.cancel(id, lease_mark)
        except (Unreachable, PeerRefused, trio.TooSlowError) as error:
            log.info(
                "cancel not heard",
                attempt=id,
                agent=self._member.name,
                error=str(error) or f"no answer within {ANSWER_S:g} s",
                next="it is asked again with a heartbeat",
            )

    async def _give_up(self, id: str, reason: Reason, why: str) -> None:
        """End an attempt without its agent; its build waits again, unless too many were lost."""
        message = f"Agent {self._member.name} {why}."
        await end_attempt(self._store, id, Outcome(Status.ERROR, reason, message))

    async def _note_commit(self, state: AttemptState) -> None:
        attempt = await self._store.attempt(state.id)
        build = await self._store.build(attempt.build) if attempt else None
        if build is not None and build.commit_hash != state.commit_hash:
            found = CommitInfo(state.commit_hash, state.subject, state.author, state.branch)
            await self._store.note_commit(state.id, found)


def _phase(name: str) -> float:
    """A number from 0 to 1 that is always the same for a name, and another one for others."""
    return zlib.crc32(name.encode(errors="replace")) / 2**32


def check_identity(member: Member, status: AgentStatus) -> None:
    """Make sure that who answers is who is meant. Raises PeerRefused.

    Two agents may say that they are at one address; each must be asked for its own attempts only.
    """
    known = member.agent
    if (status.name or known.name, status.home_id or known.home_id) != (known.name, known.home_id):
        raise PeerRefused(200, f"the agent {status.name!r} answers at this address")


async def end_attempt(store: Store, id: str, outcome: Outcome) -> None:
    """End an attempt by the server's own decision."""
    with suppress(GivenUp):  # its result, or a cancel, came in at the same moment
        await store.end(id, outcome, delivered=False)
