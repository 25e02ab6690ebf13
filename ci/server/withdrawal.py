"""Taking an attempt back: its agent is asked to end it, or it is ended without its agent."""

from __future__ import annotations

from contextlib import suppress

import structlog
import trio

from ci.errors import GivenUp, PeerRefused, Unreachable
from ci.model import Outcome, Reason, Status
from ci.server.client import ANSWER_S, AgentClient
from ci.server.store.store import Store

OVERTIME_S = 120.0  # an attempt's own limit is its agent's to keep; this much later it is ours

log = structlog.get_logger()


async def ask_cancel(client: AgentClient, agent: str, id: str, lease_mark: str) -> None:
    """Ask an agent to end an attempt. If it does not hear, the next heartbeat asks again.

    By the mark it knows one that it has been handed since then with the same id.
    """
    try:
        with trio.fail_after(ANSWER_S):
            await client.cancel(id, lease_mark)
    except (Unreachable, PeerRefused, trio.TooSlowError) as error:
        log.info(
            "cancel not heard",
            attempt=id,
            agent=agent,
            error=str(error) or f"no answer within {ANSWER_S:g} s",
            next="it is asked again with a heartbeat",
        )


async def give_up(store: Store, agent: str, id: str, reason: Reason, why: str) -> None:
    """End an attempt without its agent; its build waits again, unless too many were lost."""
    await end_attempt(store, id, Outcome(Status.ERROR, reason, f"Agent {agent} {why}."))


async def end_attempt(store: Store, id: str, outcome: Outcome) -> None:
    """End an attempt by the server's own decision."""
    with suppress(GivenUp):  # its result, or a cancel, came in at the same moment
        await store.end(id, outcome, delivered=False)
