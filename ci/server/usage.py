"""Usage: how busy each agent was in the last day, in half hours. A copy in memory.

Whoever looks first has a day read; each further look reads only what has ended since the last one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

import trio

from ci.server.store.store import Store
from ci.server.views import AgentUse, AgentView

BIN_S: Final = 1800  # a half hour: one stroke of the drawing
BINS: Final = 48  # a day


class Bins:
    """What one agent has done, by half hours since 1970."""

    def __init__(self) -> None:
        self._busy_s: defaultdict[int, float] = defaultdict(float)  # of all its slots together
        self._ended: defaultdict[int, int] = defaultdict(int)

    def add(self, began_s: float, ended_s: float) -> None:
        """Count an attempt that has ended."""
        self._ended[int(ended_s // BIN_S)] += 1
        for bin, seconds in spread(began_s, ended_s):
            self._busy_s[bin] += seconds

    def forget(self, now_s: float) -> None:
        """Forget what was more than a day ago."""
        first = int(now_s // BIN_S) - BINS + 1
        for kept in (self._busy_s, self._ended):
            for bin in [bin for bin in kept if bin < first]:
                del kept[bin]

    def use(self, now_s: float, running_since: Iterable[float], slots: int) -> AgentUse:
        """Return the share of its slots that was busy, with what runs now; the oldest first."""
        busy = dict(self._busy_s)
        for began_s in running_since:
            for bin, seconds in spread(began_s, now_s):
                busy[bin] = busy.get(bin, 0.0) + seconds
        last = int(now_s // BIN_S)
        shares = []
        for bin in range(last - BINS + 1, last + 1):
            had_s = slots * (now_s - bin * BIN_S if bin == last else BIN_S)
            shares.append(min(1.0, busy.get(bin, 0.0) / had_s) if had_s > 0 else 0.0)
        return AgentUse(tuple(shares), sum(self._ended.values()))


def spread(began_s: float, ended_s: float) -> Iterable[tuple[int, float]]:
    """Yield each half hour of a stretch of time, at most a day of it, with its seconds."""
    began_s = max(began_s, ended_s - BIN_S * BINS)
    bin = int(began_s // BIN_S)
    while began_s < ended_s:
        end = min(ended_s, (bin + 1) * BIN_S)
        yield bin, end - began_s
        began_s, bin = end, bin + 1


class Usage:
    """Follows what agents do, as far as anybody wants to know."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._bins: defaultdict[str, Bins] = defaultdict(Bins)
        self._read_until: datetime | None = None
        self._turn = trio.Lock()  # two looks at once would count twice

    async def look(self, agents: Iterable[AgentView]) -> dict[str, AgentUse]:
        """Return for each of some agents how busy it was in the last 24 hours."""
        async with self._turn:
            await self._catch_up()
        now_s = self._now().timestamp()
        found = {}
        for view in agents:
            bins = self._bins[view.agent.name]
            bins.forget(now_s)
            running = [attempt.started_at.timestamp() for attempt in view.running]
            found[view.agent.name] = bins.use(now_s, running, view.agent.slots)
        return found

    async def _catch_up(self) -> None:
        day_ago = self._now() - timedelta(seconds=BIN_S * BINS)
        since = day_ago if self._read_until is None else max(self._read_until, day_ago)
        for agent, began, ended in await self._store.ended_since(since):
            self._bins[agent].add(began.timestamp(), ended.timestamp())
            since = max(since, ended)
        self._read_until = since
