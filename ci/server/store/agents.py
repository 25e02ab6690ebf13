"""What is kept of agents, so that they are known after a restart. One function, one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, and_, delete, exists, func, insert, or_, select, update

from ci.errors import Conflict, NotFound, TooManyAgents
from ci.model import Agent, Standing
from ci.server.store.enrolling import Claim, Saved, admit, to_enrolment
from ci.server.store.rows import to_agent
from ci.server.store.tables import IS_OPEN, agents, attempts, trusted_agents


def all_agents(connection: Connection) -> tuple[Agent, ...]:
    """Return every agent that has registered and was not forgotten since, by name.

    One that holds an attempt is never left out, whatever was said of it: somebody has to ask for
    that attempt, or give it up.
    """
    holds = exists().where(attempts.c.agent == agents.c.name, IS_OPEN)
    query = select(agents).where(or_(~agents.c.forgotten, holds)).order_by(agents.c.name)
    return tuple(map(to_agent, connection.execute(query)))


def save(
    connection: Connection,
    agent: Agent,
    claim: Claim | None = None,
    most: int | None = None,
    long_lost: Sequence[str] = (),
) -> Saved:
    """Store what an agent said of itself; the first time it was seen, and a pause, are kept.

    Its `claim` says whether it may have that name, without one it may.
    Raises Conflict and Unauthorized when it may not.

    When `most` are known, a new one takes the place of the first of `long_lost` that can be
    spared; raises TooManyAgents when none can. One that was forgotten is new.
    """
    values = asdict(agent) | {"labels": json.dumps(agent.labels), "forgotten": False}
    key = agents.c.name == agent.name
    row = connection.execute(select(agents).where(key)).first()
    enrolment = {} if claim is None else admit(row, agent, claim)
    displaced = None
    if most is not None and (row is None or row.forgotten):
        known = select(func.count()).where(~agents.c.forgotten)
        if connection.execute(known).scalar_one() >= most:
            displaced = _displace(connection, long_lost)
            if displaced is None:
                raise TooManyAgents(agent.name, most)
    if row is None:
        connection.execute(insert(agents).values(**values | enrolment))
    else:
        for kept in ("first_seen", "paused", "pause_note", "generation", "standing"):
            values.pop(kept)
        connection.execute(update(agents).where(key).values(**values | enrolment))
    now = connection.execute(select(agents).where(key)).one()
    return Saved(to_agent(now), to_enrolment(now), displaced)


def pause(connection: Connection, name: str, *, paused: bool, note: str) -> Agent:
    """Let an agent take no more work, and `note` why, or take it again. Raises NotFound."""
    key = agents.c.name == name
    connection.execute(update(agents).where(key).values(paused=paused, pause_note=note))
    row = connection.execute(select(agents).where(key)).first()
    if row is None:
        raise NotFound(f"there is no agent {name}", field="name")
    return to_agent(row)


def forget(connection: Connection, name: str) -> None:
    """Leave an agent out from now on, until it registers again. Raises NotFound, Conflict."""
    key = agents.c.name == name
    held = connection.execute(
        select(attempts.c.id).where(attempts.c.agent == name, IS_OPEN)
    ).scalars()
    if ids := ", ".join(held):
        raise Conflict(f"agent {name} still holds {ids}; wait until that is given up", field="name")
    # Who comes under that name next may have lost its credential, and needs no further word.
    connection.execute(delete(trusted_agents).where(trusted_agents.c.agent == name))
    open_again = update(agents).where(key, agents.c.standing == Standing.ENROLLED)
    connection.execute(open_again.values(standing=Standing.OPEN))
    if not connection.execute(update(agents).where(key).values(forgotten=True)).rowcount:
        raise NotFound(f"there is no agent {name}", field="name")


def _displace(connection: Connection, long_lost: Sequence[str]) -> str | None:
    """Leave out the first of some agents that holds nothing and is not paused; return its name."""
    holds = exists().where(attempts.c.agent == agents.c.name, IS_OPEN)
    for name in long_lost:
        key = and_(agents.c.name == name, ~agents.c.forgotten, ~agents.c.paused, ~holds)
        if connection.execute(update(agents).where(key).values(forgotten=True)).rowcount:
            return name
    return None


def seen(connection: Connection, times: dict[str, datetime]) -> None:
    """Note when each agent was last heard."""
    for name, time in times.items():
        connection.execute(update(agents).where(agents.c.name == name).values(last_seen=time))
