"""What `/healthz` and `/metrics` tell: store, disk and fleet at the moment of asking."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import trio

from ci import blocking
from ci.errors import Busy, StoreFailed
from ci.model import Status
from ci.server.external.words import Telling
from ci.server.fleet import Fleet
from ci.server.member import Member
from ci.server.metrics import AgentSnapshot, Metrics, Snapshot
from ci.server.room import Room
from ci.server.store.store import Store
from ci.server.views import Health
from ci.version import program_version

HEALTH_S = 5.0  # a disk that takes longer for one write is no healthy one


class Lookout:
    """Looks after the server itself."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        room: Room,
        *,
        max_waiting: int,
        storage: Telling,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._room = room
        self._max_waiting = max_waiting
        self._storage = storage
        self._metrics = metrics
        self._now = now

    async def health(self) -> Health:
        """Say whether builds can be taken and run, by writing to the store."""
        problems = []
        began = trio.current_time()
        try:
            with trio.fail_after(HEALTH_S):
                await self._store.check_writable()
        except (StoreFailed, Busy) as error:
            problems.append(error.message)
        except trio.TooSlowError:
            problems.append(f"the store did not write within {HEALTH_S:g} s")
        write_s = None if problems else trio.current_time() - began
        if short := self._room.look():
            problems.append(short)
        members = self._fleet.members
        online = sum(member.online for member in members)
        counts = await self._store.unfinished()
        return Health(
            tuple(problems),
            agents_online=online,
            builds_waiting=counts[Status.WAITING],
            version=program_version(),
            agents_lost=sum(member.away.lasts for member in members),
            builds_running=counts[Status.RUNNING],
            max_builds_waiting=self._max_waiting,
            oldest_waiting_s=await self._oldest_waiting_s(),
            store_write_s=write_s,
        )

    async def metrics(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return self._metrics.text(
            Snapshot(
                builds=await self._store.unfinished(),
                oldest_waiting_s=await self._oldest_waiting_s(),
                unfit=self._unfit(),
                agents={member.name: _measure(member) for member in self._fleet.members},
                disk_free=await blocking.run(self._room.free),
                disk_short=self._room.look() is not None,
                storage_untold=self._storage.untold,
                storage_failing_s=self._storage.failing_s,
            )
        )

    def _unfit(self) -> int:
        """Count the builds that wait for labels which no agent has."""
        has = {member.labels for member in self._fleet.members}
        return sum(
            count
            for asked, count in self._store.asked_labels().items()
            if asked and not any(each.issuperset(asked) for each in has)
        )

    async def _oldest_waiting_s(self) -> float:
        since = await self._store.oldest_waiting()
        return 0.0 if since is None else max(0.0, (self._now() - since).total_seconds())


def _measure(member: Member) -> AgentSnapshot:
    return AgentSnapshot(
        member.state,
        slots=member.agent.slots,
        busy=len(member.watches),
        disk_free=member.status.disk_free,
        delivery_retries=member.status.delivery_retries,
    )
