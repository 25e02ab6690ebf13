"""Handing an attempt over to its agent: asked until it is clear who has the attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from ci.backoff import delays
from ci.config import ServerConfig
from ci.errors import AgentLost, PeerRefused, Unreachable
from ci.model import Attempt, Reason
from ci.server.client import ANSWER_S, AgentClient
from ci.server.member import Member, Watch, check_identity
from ci.server.queue import Hold
from ci.server.store.store import Store
from ci.server.withdrawal import OVERTIME_S, give_up
from ci.wire.job import JobSecret, write_job

_SERVER_ERROR = 500  # or more: a proxy, or a bug; nobody knows what happened behind it
# What our agents answer when they can't take a job now; any other refusal is of the job itself.
_NOT_NOW = (401, 403, 404, 408, 409, 421, 425, 429)
_NEVER = (413, 415, 422)  # and others: they say "not now" in all kinds of ways


@dataclass(slots=True)
class _Reply:
    """What an agent of others has said to `/build` so far."""

    came: trio.Event = field(default_factory=trio.Event)
    error: PeerRefused | Unreachable | None = None

    @property
    def refusal(self) -> PeerRefused | Unreachable | None:
        """The error that says for sure that it has not got the attempt."""
        if isinstance(self.error, Unreachable) and self.error.sent:
            return None
        return self.error


class HandOver:
    """The way of attempts to one agent."""

    def __init__(
        self,
        member: Member,
        client: AgentClient,
        store: Store,
        config: ServerConfig,
        nursery: trio.Nursery,
    ) -> None:
        """What an agent of others is asked stays open in `nursery` until it is answered."""
        self._nursery = nursery
        self._member = member
        self._client = client
        self._store = store
        self._config = config

    async def run(self, hold: Hold, watch: Watch, secrets: Sequence[JobSecret] = ()) -> None:
        """Ask the agent until it has answered, or until the attempt is over without an answer.

        What it may have is given up when it does not say, or says that it takes nothing. Raises
        PeerRefused when it does not take it, Unreachable when nobody listens there any more, and
        AgentLost when it does not say for too long.
        """
        doubt = None
        with watch.handing_over:
            doubt = await self._ask(hold, watch, secrets)
        # Not in there: an attempt's end may cancel that scope, and giving up is an end.
        if doubt is not None and not watch.over.is_set():
            why, error = doubt
            await give_up(self._store, self._member.name, watch.id, Reason.AGENT_LOST, why)
            raise error

    def is_final(self, refusal: PeerRefused) -> bool:
        """Whether the agent will never take this job: else it would hold up all behind it."""
        if self._member.agent.native:
            return refusal.status not in _NOT_NOW
        return refusal.status in _NEVER

    async def _ask(
        self, hold: Hold, watch: Watch, secrets: Sequence[JobSecret]
    ) -> tuple[str, AgentLost | PeerRefused] | None:
        """Ask until it is known who has it: None when the agent has, or has it for all we know.

        When nobody can know, returns why, and what to raise after the attempt was given up.
        """
        if not self._member.agent.native:
            await self._ask_foreign(hold, watch)
            return None
        body = self._body(hold, secrets)
        waits = delays()
        limit_s = self._config.grace_seconds
        deadline = trio.current_time() + limit_s
        unsure = False  # whether an earlier try may have reached it
        is_last = False
        while not is_last:
            # It is asked once more after the limit: if this machine stood still for so long, it
            # was not the agent who was silent.
            is_last = trio.current_time() >= deadline
            hold.taken = True  # from here on the agent may have it
            try:
                with trio.fail_after(ANSWER_S):
                    await self._client.build(body)
                return None
            except PeerRefused as refusal:
                if refusal.status < _SERVER_ERROR:
                    if not unsure or self.is_final(refusal):
                        hold.taken = unsure
                        raise
                    # It has no room now; what became of the earlier request it says itself.
                    has_it = await self._has(hold.lease.attempt)
                    if has_it is False:
                        hold.taken = False
                        raise
                    if has_it:
                        return f"may have taken it, then answered {refusal.status}", refusal
            except (Unreachable, trio.TooSlowError) as error:
                if isinstance(error, Unreachable) and not error.sent:
                    hold.taken = unsure
                    raise
            # It may have it or not. Ours takes the same id only once, so ask again.
            unsure = True
            with trio.move_on_after(max(0.0, min(next(waits), deadline - trio.current_time()))):
                await watch.over.wait()
            if watch.over.is_set():
                return None  # it was canceled: if the agent has it, a heartbeat will tell
        why = f"did not say within {limit_s:g} s whether it took it"
        return why, AgentLost(why)

    def _body(self, hold: Hold, secrets: Sequence[JobSecret] = ()) -> dict[str, Any]:
        return write_job(
            hold.lease,
            self._config.build_timeout_seconds,
            self._config.silence_timeout_seconds,
            self._config.max_log_bytes,
            self._member.status.boot_id,
            native=self._member.agent.native,
            shell=self._config.command_policy.allows_any,
            secrets=secrets,
        )

    async def _ask_foreign(self, hold: Hold, watch: Watch) -> None:
        """Ask an agent of others, once: it may do twice what it is asked twice.

        Some answer only when the build is over, and then with anything. So what does not come at
        once says nothing; but it is waited for, since a program that notices that we have left may
        end the build. Raises PeerRefused, Unreachable.
        """
        hold.taken = True
        reply = _Reply()
        self._nursery.start_soon(self._wait_reply, self._body(hold), watch, reply)
        with trio.move_on_after(ANSWER_S):
            await reply.came.wait()
        if (refusal := reply.refusal) is not None:
            hold.taken = False
            raise refusal

    async def _wait_reply(self, body: dict[str, Any], watch: Watch, reply: _Reply) -> None:
        limit_s = self._config.build_timeout_seconds + OVERTIME_S
        watch.asking = trio.CancelScope(deadline=trio.current_time() + limit_s)
        with watch.asking:
            try:
                await self._client.build(body)
            except (PeerRefused, Unreachable) as error:
                reply.error = error
        reply.came.set()

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
