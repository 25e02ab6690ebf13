"""One agent's life while it answers.

run_link
├─ heartbeat        asks /status; three misses raise AgentLost and with it end all the rest
├─ slot             lease → hand over → wait until it is over; one task per slot
├─ …
└─ slot (taken up)  the same, beginning with an attempt that the agent had already

Whatever an agent still holds when its link ends stays leased to it: the fleet decides, after the
grace time, whether it is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
import trio

from ci.backoff import delays
from ci.config import ServerConfig
from ci.errors import AgentLost, GivenUp, PeerRefused, Unreachable
from ci.model import Attempt, CommitInfo, Outcome, Reason, Status
from ci.server.client import AgentClient
from ci.server.member import Member, Watch
from ci.server.queue import Hold, Queue
from ci.server.store.store import Store
from ci.wire.job import write_job
from ci.wire.registration import AttemptState
from ci.wire.status import AgentStatus

MISSES = 3  # one lost packet or one slow moment is no death
MISS_INTERVAL_S = 1.0  # after a miss it is asked again sooner: the page tells within seconds
SILENT_HEARTBEATS = 3  # or so long without any sign of life, however few times it was asked
ANSWER_S = 5.0  # an agent answers /status and /build at once: it only has to note it down
OVERTIME_S = 120.0  # an attempt's own limit is its agent's to keep; this much later it is ours
GONE_S = 30.0  # how long a slot waits for a canceled command's processes to be gone
REFUSED_FOR_GOOD = 422  # the agent will never take this job; any other refusal is for now

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
    ) -> None:
        self._member = member
        self._client = client
        self._store = store
        self._queue = queue
        self._config = config
        self._now = now

    async def run(self, status: AgentStatus) -> None:
        """Give the agent work until it is lost: ends by raising AgentLost, in a group.

        `status` is its first answer; what it still runs is taken up, the rest is given up.
        """
        taken_up = await self._take_up(status)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._heartbeat)
            for attempt in taken_up:
                watch = self._member.watch(attempt.id)
                watch.since = trio.current_time()
                nursery.start_soon(self._slot, watch)
            for _ in range(self._member.agent.slots - len(taken_up)):
                nursery.start_soon(self._slot, None)

    async def _take_up(self, status: AgentStatus) -> list[Attempt]:
        """Compare what the store says the agent has with what the agent says."""
        self._member.watches.clear()
        # Asked after the status: what the agent delivered before it answered is not held any more.
        held = await self._store.held(self._member.name)
        if status.attempts is None:
            return list(held)
        reported = {each.id for each in status.attempts}
        for attempt in held:
            if attempt.id not in reported:
                await self._give_up(attempt.id, Reason.AGENT_RESTARTED, "has forgotten it")
        await self._compare(status, trio.current_time())
        return [attempt for attempt in held if attempt.id in reported]

    async def _heartbeat(self) -> None:
        misses = 0
        while True:
            await trio.sleep(MISS_INTERVAL_S if misses else self._config.heartbeat_seconds)
            asked_at = trio.current_time()
            try:
                with trio.fail_after(ANSWER_S):
                    status = await self._client.status()
            except (Unreachable, PeerRefused, trio.TooSlowError) as error:
                misses += 1
                log.info("agent missed a heartbeat", agent=self._member.name, error=str(error))
                if misses >= MISSES or self._silent():
                    raise AgentLost(str(error) or f"no answer within {ANSWER_S:g} s") from error
                continue
            misses = 0
            self._member.hear(self._now())
            changed = status.draining != self._member.status.draining
            self._member.status = status
            if changed:
                self._member.changed()
            await self._compare(status, asked_at)

    def _silent(self) -> bool:
        silence_s = trio.current_time() - self._member.heard_at
        return silence_s >= SILENT_HEARTBEATS * self._config.heartbeat_seconds

    async def _compare(self, status: AgentStatus, asked_at: float) -> None:
        """Mend what differs between the agent's attempts and ours."""
        if status.attempts is None:
            return
        held = {attempt.id for attempt in await self._store.held(self._member.name)}
        reported = {each.id: each for each in status.attempts}
        for each in status.attempts:
            self._member.phases[each.id] = each.state
            if each.id not in held:
                await self._cancel(each.id)
            elif each.commit_hash:
                await self._note_commit(each)
        for id, watch in list(self._member.watches.items()):
            if id in reported or watch.since >= asked_at:
                continue
            self._member.phases.pop(id, None)
            watch.gone.set()
            if id in held:
                await self._give_up(id, Reason.AGENT_RESTARTED, "has forgotten it")

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
            except Unreachable as error:
                raise AgentLost(str(error)) from error
            except PeerRefused as error:
                watch = None
                self._member.problem = str(error)
                log.warning("agent takes no work", agent=self._member.name, error=str(error))
                with trio.move_on_after(next(refusals)):
                    await self._member.called.wait()

    async def _next(self) -> Watch | None:
        """Lease an attempt and hand it over. None when the agent would never take it.

        Raises PeerRefused when it does not take it now, and Unreachable when nobody listens
        there any more; the build waits again.
        """
        async with self._queue.lease(self._member) as hold:
            id = hold.lease.attempt.id
            watch = self._member.watch(id)
            try:
                await self._hand_over(hold, watch)
            except PeerRefused as refusal:
                if refusal.status != REFUSED_FOR_GOOD:
                    raise
                hold.taken = True
                self._member.watches.pop(id, None)
                message = f"Agent {self._member.name} refused it: {refusal.body}"
                await self._end(id, Outcome(Status.ERROR, Reason.COMMAND_REFUSED, message))
                return None
            finally:
                if not hold.taken:
                    self._member.watches.pop(id, None)
            watch.since = trio.current_time()
            log.info("build handed over", attempt=id, agent=self._member.name)
            return watch

    async def _hand_over(self, hold: Hold, watch: Watch) -> None:
        """Ask the agent until it has answered, or until the attempt is over without an answer."""
        body = write_job(
            hold.lease, self._config.build_timeout_seconds, self._config.silence_timeout_seconds
        )
        waits = delays()
        with watch.handing_over:
            while True:
                hold.taken = True  # from here on the agent may have it
                try:
                    with trio.fail_after(ANSWER_S):
                        return await self._client.build(body)
                except PeerRefused:
                    hold.taken = False
                    raise
                except (Unreachable, trio.TooSlowError) as error:
                    if isinstance(error, Unreachable) and not error.sent:
                        hold.taken = False
                        raise
                    if not self._member.agent.native:
                        return None  # some answer only when the build is over
                # It may have it or not. Ours takes the same id only once, so ask again.
                await trio.sleep(next(waits))

    async def _until_over(self, watch: Watch) -> None:
        """Wait until the attempt is over and the agent has nothing left of it."""
        limit_s = self._config.build_timeout_seconds + OVERTIME_S
        with trio.move_on_after(limit_s):
            await watch.over.wait()
        if not watch.over.is_set():
            await self._give_up(watch.id, Reason.AGENT_LOST, f"said nothing of it for {limit_s} s")
        if not watch.gone.is_set():
            await self._cancel(watch.id)
            # An agent of others may know no /cancel: its slot is free when it delivers.
            with trio.move_on_after(GONE_S if self._member.agent.native else limit_s):
                await watch.gone.wait()
        self._member.watches.pop(watch.id, None)
        self._member.phases.pop(watch.id, None)

    async def _cancel(self, id: str) -> None:
        """Ask the agent to end an attempt. If it does not hear, the next heartbeat asks again."""
        try:
            with trio.fail_after(ANSWER_S):
                await self._client.cancel(id)
        except (Unreachable, PeerRefused, trio.TooSlowError) as error:
            log.info("cancel not heard", attempt=id, agent=self._member.name, error=str(error))

    async def _give_up(self, id: str, reason: Reason, why: str) -> None:
        """End an attempt without its agent; its build waits again, unless too many were lost."""
        message = f"Agent {self._member.name} {why}."
        await self._end(id, Outcome(Status.ERROR, reason, message))

    async def _end(self, id: str, outcome: Outcome) -> None:
        await end_attempt(self._store, self._queue, self._member, id, outcome)

    async def _note_commit(self, state: AttemptState) -> None:
        attempt = await self._store.attempt(state.id)
        build = await self._store.build(attempt.build) if attempt else None
        if build is not None and build.commit_hash != state.commit_hash:
            found = CommitInfo(state.commit_hash, state.subject, state.author, state.branch)
            await self._store.note_commit(state.id, found)


async def end_attempt(
    store: Store, queue: Queue, member: Member, id: str, outcome: Outcome
) -> None:
    """End an attempt by the server's own decision, and let its slot and the queue know."""
    try:
        ended = await store.end(id, outcome)
    except GivenUp:
        return  # its result, or a cancel, came in at the same moment
    log.warning(
        "attempt ended by the server",
        attempt=id,
        reason=str(outcome.reason),
        why=outcome.message,
        again=ended.again,
    )
    watch = member.watches.get(id)
    if watch is not None:
        watch.end(gone=False)
    if ended.again:
        queue.wake()
