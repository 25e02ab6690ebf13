"""A sign of life: what counts as one, of our agents and of those of others.

Some agents of others build in the very task that answers: as long as a build lasts they answer
nothing, but their port takes connections. So of one of them a connection is a sign of life. It is
left open until it is answered or broken: were they asked again and again, their few places for
clients who wait would be taken soon.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from ci.errors import Unreachable
from ci.server.client import ANSWER_S, AgentClient
from ci.server.member import Member
from ci.wire.status import AgentStatus


async def first_sign(client: AgentClient, *, native: bool) -> AgentStatus:
    """Ask an agent how it is, for a few seconds.

    Raises Unreachable, PeerRefused, TooSlowError.
    """
    connected = trio.Event()
    with trio.move_on_after(ANSWER_S):
        return await _ask(client, connected.set, native=native)
    if native or not connected.is_set():
        raise trio.TooSlowError
    return AgentStatus()


async def next_sign(client: AgentClient, *, native: bool) -> AgentStatus:
    """As `first_sign`, but what an agent of others does not answer at once is waited for."""
    with trio.CancelScope(deadline=trio.current_time() + ANSWER_S) as asking:

        def be_patient() -> None:
            if not native:
                asking.deadline = math.inf

        return await _ask(client, be_patient, native=native)
    raise trio.TooSlowError


def note_nobody(member: Member, error: BaseException | None) -> None:
    """Note that nobody listened at an agent's port, if that is what this error says.

    What an agent of others runs does not outlive it. If it is back, it has nothing of before.
    """
    while error is not None:
        if isinstance(error, Unreachable) and error.nobody:
            member.nobody_at = trio.current_time()
        error = error.__cause__


async def _ask(client: AgentClient, connected: Callable[[], None], *, native: bool) -> AgentStatus:
    try:
        return await client.status(connected)
    except Unreachable as error:
        if native or not error.sent:
            raise
        return AgentStatus()  # what listens there speaks no HTTP, or broke off: it is there
