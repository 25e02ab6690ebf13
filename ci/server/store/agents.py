"""What is kept of agents, so that they are known after a restart. One function, one transaction."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from ci.errors import NotFound
from ci.model import Agent
from ci.server.store.rows import to_agent
from ci.server.store.tables import agents


def all_agents(connection: Connection) -> tuple[Agent, ...]:
    """Return every agent that ever registered, by name."""
    return tuple(map(to_agent, connection.execute(select(agents).order_by(agents.c.name))))


def save(connection: Connection, agent: Agent) -> Agent:
    """Store what an agent said of itself; the first time it was seen, and a pause, are kept."""
    values = asdict(agent) | {"labels": json.dumps(agent.labels)}
    key = agents.c.name == agent.name
    row = connection.execute(select(agents).where(key)).first()
    if row is None:
        connection.execute(insert(agents).values(**values))
    else:
        for kept in ("first_seen", "paused"):
            values.pop(kept)
        connection.execute(update(agents).where(key).values(**values))
    return to_agent(connection.execute(select(agents).where(key)).one())


def pause(connection: Connection, name: str, *, paused: bool) -> Agent:
    """Let an agent take no more work, or take it again. Raises NotFound."""
    key = agents.c.name == name
    connection.execute(update(agents).where(key).values(paused=paused))
    row = connection.execute(select(agents).where(key)).first()
    if row is None:
        raise NotFound(f"there is no agent {name}", field="name")
    return to_agent(row)


def seen(connection: Connection, times: dict[str, datetime]) -> None:
    """Note when each agent was last heard."""
    for name, time in times.items():
        connection.execute(update(agents).where(agents.c.name == name).values(last_seen=time))
