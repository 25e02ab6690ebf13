"""Outlook: what each build that waits waits for, and when it will start.

It is made once for each state of store and fleet, however many pages are open, and twice a second
while builds come and go all the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import trio

from ci.model import Attempt, Kind
from ci.server import forecast, waiting
from ci.server.durations import Durations
from ci.server.fleet import Fleet
from ci.server.room import Room
from ci.server.store.store import Store
from ci.server.unhurried import Unhurried
from ci.server.views import AgentView

FORESEEN: Final = 1000  # builds in line; who is behind them is told only after whom he starts
TICK_S: Final = 10  # so often it is made anew though nothing has changed but the time


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen ahead at one moment. `starts_s` are those of the first ones in line."""

    why: str
    free_slots: int
    starts_s: tuple[float, ...]
    problem: str  # why nothing can be estimated, briefly; empty when it can

    def is_stuck(self, place: int) -> bool:
        """Whether the build at a place waits until somebody does something."""
        return place > self.free_slots and bool(self.problem)

    def of(self, place: int) -> tuple[str, int | None]:
        """Return what the build at a place waits for, and in how many seconds it starts."""
        if place <= self.free_slots:
            return waiting.BEING_HANDED, 0
        starts_in_s, when = self._start(place)
        return waiting.sentence(place, self.why, when), starts_in_s

    def briefly(self, place: int) -> str:
        """Return what a line of a list says of that: nothing that holds for many lines."""
        if place <= self.free_slots:
            return waiting.BEING_HANDED
        _, when = self._start(place)
        return waiting.brief(place, self.problem or ("" if when == waiting.NO_HISTORY else when))

    def because(self, place: int) -> str | None:
        """Return what holds for many: why the build at a place is not taken now."""
        return self.why if place > self.free_slots else None

    def _start(self, place: int) -> tuple[int | None, str]:
        """Return in how many seconds the build at a place starts, and what is said of that."""
        if self.problem or not self.starts_s:
            return None, ""
        if place > len(self.starts_s):
            return None, waiting.starts_after(forecast.rounded_s(self.starts_s[-1]))
        starts_in_s = forecast.rounded_s(self.starts_s[place - 1])
        return starts_in_s, waiting.starts(starts_in_s)


class Outlook:
    """Looks ahead by what runs, what waits, and how long such builds take."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        room: Room,
        *,
        durations: Durations,
        version: Unhurried,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._room = room
        self._durations = durations
        self._now = now
        # That of the pages: one that is told of a change is shown what is seen after it.
        self._version = version
        self._making = trio.Lock()  # or all who ask meanwhile would make it, too
        self._seen_at: tuple[object, ...] = ()
        self._sight: Sight

    async def agents(self) -> tuple[AgentView, ...]:
        """Return all agents that have registered and were not forgotten, by name."""
        current = await self._store.current()
        return tuple(
            AgentView(
                agent=member.agent,
                state=member.state,
                last_heard=member.last_heard,
                running=tuple(current.get(member.name, ())),
                load=member.status.load,
                disk_free=member.status.disk_free,
                problem=member.problem or member.status.problem,
                takes_work=member.takes_work,
                refused=member.refused,
            )
            for member in self._fleet.members
        )

    async def look(self) -> Sight:
        """Return what is seen ahead now."""
        async with self._making:
            now, short = self._now(), self._room.look() is not None
            tick = now.timestamp() // TICK_S
            moment = (self._version.look(), self._fleet.changes, tick, short)
            if moment != self._seen_at:
                self._sight = await self._make(now, short=short)
                self._seen_at = moment
            return self._sight

    async def _make(self, now: datetime, *, short: bool) -> Sight:
        agents = await self.agents()
        ready = [agent for agent in agents if waiting.is_ready(agent)]
        remaining = await self._remaining(ready, now)
        why = waiting.why(agents, sorted(remaining, key=lambda number: remaining[number]))
        problem = waiting.problem(agents)
        if short:
            why += f"; {waiting.DISK_SHORT}, so what runs can't deliver"
            problem = waiting.DISK_SHORT
        free = self._fleet.free_slots
        took = {}
        line = self._store.line(FORESEEN)
        for kind in set(line):
            usual_s = await self._durations.likely_s(kind)
            took[kind] = math.inf if usual_s is None else usual_s
        slots = [0.0] * free + list(remaining.values())
        starts_s = tuple(forecast.starts(slots, (took[kind] for kind in line)))
        return Sight(why, free, starts_s, problem)

    async def _remaining(self, agents: list[AgentView], now: datetime) -> dict[int, float]:
        """Guess for each build that some agents run how many seconds it goes on."""
        running: list[Attempt] = [attempt for agent in agents for attempt in agent.running]
        kinds: dict[int, Kind] = await self._store.kinds([attempt.build for attempt in running])
        found = {}
        for attempt in running:
            usual_s = await self._durations.likely_s(kinds.get(attempt.build, Kind()))
            elapsed_s = (now - attempt.started_at).total_seconds()
            found[attempt.build] = forecast.remaining_s(usual_s, elapsed_s)
        return found
