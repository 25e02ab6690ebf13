"""The safe: secrets as they are kept, sealed, and which agents are trusted with them.

The secrets are in memory as well, since each hand-over asks whether there is one. Every change is
noted in the audit log in the same transaction, without the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update

from ci.errors import Conflict, NotFound
from ci.people import Asker
from ci.secretrules import MAX_SECRETS
from ci.server.store import auditlog
from ci.server.store.reads import Reads
from ci.server.store.tables import agents, secrets, trusted_agents
from ci.server.store.writer import MAX_ORDERS, Writer
from ci.server.views import KeptSecret, SecretKey


class Safe:
    """What is kept of secrets. Every change may raise StoreFailed and Busy."""

    def __init__(self, reads: Reads, writer: Writer, now: Callable[[], datetime]) -> None:
        self._reads = reads
        self._writer = writer
        self._now = now
        self.kept: dict[SecretKey, KeptSecret] = {}

    async def load(self) -> None:
        """Read what is kept in memory; before anything else is asked."""
        found = await self._reads.ask(_all_secrets)
        self.kept = {secret.key: secret for secret in found}

    async def put(self, by: Asker, secret: KeptSecret) -> None:
        """Keep a secret, in the place of an older one. Raises Conflict when there are too many."""

        def put(connection: Connection) -> None:
            replaced = _put(connection, secret)
            detail = f"branches {', '.join(secret.branches)}; commands {', '.join(secret.commands)}"
            action = "replaced" if replaced else "set"
            auditlog.note(connection, by, action, _words(secret.key), self._now(), detail=detail)

        def keep(_done: None) -> None:
            self.kept[secret.key] = secret

        await self._writer.run(put, then=keep, shown=False, most=MAX_ORDERS)

    async def remove(self, by: Asker, key: SecretKey) -> None:
        """Forget a secret. Raises NotFound."""

        def remove(connection: Connection) -> None:
            if not connection.execute(delete(secrets).where(_is(key))).rowcount:
                raise NotFound(f"name: there is no {_words(key)}", field="name")
            auditlog.note(connection, by, "removed", _words(key), self._now())

        def forget(_done: None) -> None:
            self.kept.pop(key, None)

        await self._writer.run(remove, then=forget, shown=False, most=MAX_ORDERS)

    async def trusted(self) -> dict[str, int]:
        """Return the agents that are trusted, each with the generation of its credential."""
        return await self._reads.ask(_trusted)

    async def trust(self, by: Asker, agent: str, *, trusted: bool) -> None:
        """Trust an agent with secrets as long as it has its credential, or not any more.

        Raises NotFound.
        """

        def trust(connection: Connection) -> None:
            connection.execute(delete(trusted_agents).where(trusted_agents.c.agent == agent))
            query = select(agents.c.generation).where(agents.c.name == agent)
            generation = connection.execute(query).scalar()
            if generation is None:
                raise NotFound(f"name: there is no agent {agent}", field="name")
            if trusted:
                values = {"agent": agent, "generation": generation}
                connection.execute(insert(trusted_agents).values(**values))
            action = "trusted with secrets" if trusted else "trusted no more with secrets"
            auditlog.note(connection, by, action, f"agent {agent}", self._now())

        await self._writer.run(trust, shown=False, most=MAX_ORDERS)

    def note_use(self, connection: Connection, keys: Iterable[SecretKey]) -> None:
        """Note within a transaction that secrets were sent to an agent."""
        for key in keys:
            connection.execute(update(secrets).where(_is(key)).values(last_used=self._now()))

    async def last_uses(self) -> dict[SecretKey, datetime | None]:
        """Return when each secret was last sent to an agent."""
        return {secret.key: secret.last_used for secret in await self._reads.ask(_all_secrets)}


def _all_secrets(connection: Connection) -> tuple[KeptSecret, ...]:
    return tuple(map(_to_secret, connection.execute(select(secrets))))


def _put(connection: Connection, secret: KeptSecret) -> bool:
    replaced = connection.execute(delete(secrets).where(_is(secret.key))).rowcount
    count = select(func.count()).where(secrets.c.repository == secret.repository)
    if connection.execute(count).scalar_one() >= MAX_SECRETS:
        raise Conflict(f"a repository has {MAX_SECRETS} secrets at most", field="name")
    values = asdict(secret)
    for name in ("branches", "commands"):
        values[name] = "\n".join(values[name])  # no rule has an end of line
    connection.execute(insert(secrets).values(**values))
    return bool(replaced)


def _trusted(connection: Connection) -> dict[str, int]:
    return {row.agent: row.generation for row in connection.execute(select(trusted_agents))}


def _is(key: SecretKey) -> Any:
    repository, name = key
    return and_(secrets.c.repository == repository, secrets.c.name == name)


def _words(key: SecretKey) -> str:
    repository, name = key
    return f"secret {name} of {repository}"


def _to_secret(row: Row[Any]) -> KeptSecret:
    values = dict(row._mapping)  # noqa: SLF001  public in spite of its name
    for name in ("branches", "commands"):
        values[name] = tuple(values[name].split("\n"))
    return KeptSecret(**values)
