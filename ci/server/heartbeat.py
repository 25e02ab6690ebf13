"""The heartbeat of one agent: a sign of life, and what it has compared with what we believe."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import datetime

import structlog
import trio

from ci.config import ServerConfig
from ci.errors import AgentLost, PeerRefused, Unreachable
from ci.model import Attempt, CommitInfo, Reason
from ci.server.client import ANSWER_S, AgentClient
from ci.server.lifesign import next_sign, note_nobody
from ci.server.member import Member, Watch, check_identity
from ci.server.room import Room
from ci.server.store.store import Store
from ci.server.withdrawal import OVERTIME_S, ask_cancel, give_up
from ci.wire.registration import AttemptState
from ci.wire.status import AgentStatus

MISSES = 3  # one lost packet or one slow moment is no death
MISS_INTERVAL_S = 1.0  # after a miss it is asked again sooner: the page tells within seconds
SILENT_HEARTBEATS = 3  # or so long without any sign of life, however few times it was asked

log = structlog.get_logger()


class Heartbeat:
    """Asks one agent how it is, and mends what differs between its attempts and ours."""

    def __init__(
        self,
        member: Member,
        client: AgentClient,
        store: Store,
        config: ServerConfig,
        *,
        now: Callable[[], datetime],
        room: Room,
    ) -> None:
        self._member = member
        self._client = client
        self._store = store
        self._interval_s = config.heartbeat_seconds
        self._now = now
        self._room = room
        # What is canceled has as long as any build has, and then its result.
        self._owed_s = config.build_timeout_seconds + OVERTIME_S

    async def serve(self, status: AgentStatus) -> None:
        """Ask for ever; `status` is its first answer. Raises AgentLost."""
        await self._compare(status, trio.current_time())
        misses = 0
        # After a restart all agents come at once. Each has its own moment within the interval, so
        # that a hundred of them are not asked in one breath for ever after.
        wait_s = self._interval_s * _phase(self._member.name)
        while True:
            await trio.sleep(MISS_INTERVAL_S if misses else wait_s)
            wait_s = self._interval_s
            asked_at = trio.current_time()
            try:
                status = await next_sign(self._client, native=self._member.agent.native)
                check_identity(self._member, status)
            except (Unreachable, PeerRefused, trio.TooSlowError) as error:
                misses += 1
                note_nobody(self._member, error)
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
        return silence_s >= SILENT_HEARTBEATS * self._interval_s

    async def _compare(self, status: AgentStatus, asked_at: float) -> None:
        """Mend what differs between the agent's attempts and ours."""
        if status.attempts is not None:
            self._member.phases = {each.id: each.state for each in status.attempts}
            held = await self._held() if status.attempts else {}
            for each in status.attempts:
                known = held.get(each.id)
                if known is None or known.status.ended or not known.is_meant(each.lease_mark):
                    await ask_cancel(self._client, self._member.name, each.id, each.lease_mark)
                elif each.commit_hash:
                    await self._note_commit(each)
        held = await self._held()  # read anew: each watch that is there now was leased before this
        for id, watch in list(self._member.watches.items()):
            if id not in held or held[id].status.ended:
                watch.end(gone=False)
            if self._is_forgotten(watch, status, asked_at):
                watch.gone.set()
                if id in held:
                    why = "has forgotten it"
                    await give_up(self._store, self._member.name, id, Reason.AGENT_RESTARTED, why)
        for id, attempt in held.items():
            if id not in self._member.watches and self._owes_nothing(attempt, status):
                why = "brings no more of its log"
                await give_up(self._store, self._member.name, id, Reason.AGENT_RESTARTED, why)
        self._member.owes_only(held)

    def _is_forgotten(self, watch: Watch, status: AgentStatus, asked_at: float) -> bool:
        member = self._member
        if status.attempts is None:
            # It does not say. But if nobody listened at its port meanwhile, it is another process.
            return not member.agent.native and watch.since < member.nobody_at
        return watch.since < asked_at and watch.id not in member.phases

    async def _held(self) -> dict[str, Attempt]:
        return {attempt.id: attempt for attempt in await self._store.held(self._member.name)}

    def _owes_nothing(self, attempt: Attempt, status: AgentStatus) -> bool:
        """Whether no more of the log of an attempt that was canceled is to be waited for."""
        if not attempt.status.ended:
            return False  # it runs, and its slot has yet to begin to watch it
        # If the agent does not say what it has, a slot has waited for it: see Link._until_over.
        if status.attempts is None or attempt.id not in self._member.phases:
            return True
        # It says that it has it. But it may say so for ever.
        deadline = self._member.owed_since(attempt.id) + self._owed_s
        return trio.current_time() > max(deadline, self._room.refused_at + OVERTIME_S)

    async def _note_commit(self, state: AttemptState) -> None:
        attempt = await self._store.attempt(state.id)
        build = await self._store.build(attempt.build) if attempt else None
        if build is not None and build.commit_hash != state.commit_hash:
            found = CommitInfo(state.commit_hash, state.subject, state.author, state.branch)
            await self._store.note_commit(state.id, found)


def _phase(name: str) -> float:
    """A number from 0 to 1 that is always the same for a name, and another one for others."""
    return zlib.crc32(name.encode(errors="replace")) / 2**32
