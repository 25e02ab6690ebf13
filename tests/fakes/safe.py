"""A safe without a store: secrets and trust in dicts."""

from __future__ import annotations

from datetime import datetime

import trio

from ci.errors import NotFound
from ci.people import Asker
from ci.server.views import KeptSecret, SecretKey


class FakeSafe:
    """What a vault keeps its secrets in; `generations` are those of the agents that there are."""

    def __init__(self) -> None:
        self.kept: dict[SecretKey, KeptSecret] = {}
        self.generations: dict[str, int] = {}
        self.used: dict[SecretKey, datetime | None] = {}
        self.askers: list[Asker] = []
        self._trusted: dict[str, int] = {}

    async def put(self, by: Asker, secret: KeptSecret) -> None:
        """Keep a secret."""
        await trio.lowlevel.checkpoint()
        self.askers.append(by)
        self.kept[secret.key] = secret

    async def remove(self, by: Asker, key: SecretKey) -> None:
        """Forget a secret."""
        await trio.lowlevel.checkpoint()
        if key not in self.kept:
            raise NotFound("name: there is no such secret", field="name")
        self.askers.append(by)
        del self.kept[key]

    async def trusted(self) -> dict[str, int]:
        """Return who is trusted."""
        await trio.lowlevel.checkpoint()
        return dict(self._trusted)

    async def trust(self, by: Asker, agent: str, *, trusted: bool) -> None:
        """Trust an agent, or no more."""
        await trio.lowlevel.checkpoint()
        if agent not in self.generations:
            raise NotFound("name: there is no such agent", field="name")
        self.askers.append(by)
        self._trusted.pop(agent, None)
        if trusted:
            self._trusted[agent] = self.generations[agent]

    async def last_uses(self) -> dict[SecretKey, datetime | None]:
        """Return what the test says."""
        await trio.lowlevel.checkpoint()
        return dict(self.used)
