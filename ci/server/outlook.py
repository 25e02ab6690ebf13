"""Outlook: what each build that waits waits for, and when it will start.

It is made once for each state of store and fleet, however many pages are open, and twice a second
while builds come and go all the time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import trio

from ci.model import Attempt, Build, Kind, Labels
from ci.server import waiting
from ci.server.durations import Durations
from ci.server.fleet import Fleet
from ci.server.forecast import FREE, Forecast, remaining_s, rounded_s
from ci.server.room import Room
from ci.server.store.store import Store
from ci.server.unhurried import Unhurried
from ci.server.views import AgentView

FORESEEN: Final = 1000  # builds in line; who is behind them is told only after whom he starts
TICK_S: Final = 10  # so often it is made anew though nothing has changed but the time


@dataclass(frozen=True, slots=True)
class Wait:
    """What a build waits for, in a sentence, and in how many seconds it starts, if known."""

    why: str
    briefly: str  # in a line of a list: nothing that holds for many lines
    place: int | None = None  # among those that may be taken before it, if it stands in a line
    because: str | None = None  # what does: why it is not taken now
    starts_in_s: int | None = None
    is_stuck: bool = False  # until somebody does something


@dataclass(frozen=True, slots=True)
class Why:
    """Why builds that ask for the same labels are not taken now.

    `problem` says briefly why nothing can be estimated; it is empty when it can. `overdue` are
    builds that run so much longer than usual that nobody knows when they end. `rivals` are the
    labels of those that would take the same slots; none where there is no such slot.
    """

    words: str
    problem: str
    overdue: Sequence[int]
    rivals: Collection[Labels]


class Sight:
    """What is seen ahead at one moment. `starts_s` has the first ones in line by their numbers."""

    def __init__(
        self,
        agents: Sequence[AgentView],
        fleet: Fleet,
        store: Store,
        remaining_s: Mapping[int, float],
        *,
        line: Forecast,
        starts_s: Mapping[int, float],
        has_history: bool,
        short: bool,
    ) -> None:
        """`remaining_s` has the builds that run, `line` what comes behind those that wait."""
        self.starts_s = starts_s
        self._has_history = has_history
        self._agents = agents
        self._fleet = fleet  # what is free is asked at the moment,
        self._store = store  # and so is who stands before whom
        self._remaining_s = remaining_s
        self._line = line
        self._short = short
        self._held_up = sum(start_s != FREE for start_s in starts_s.values())
        self._whys: dict[Labels, Why] = {}

    def of(self, place: int, build: Build) -> Wait:
        """Return what a build that waits at a place in line waits for.

        It is told its place among those that may be taken before it: others hold it up as little
        as it does them.
        """
        start_s = self.starts_s.get(build.number)
        if start_s == FREE or (start_s is None and self._is_handed(place, build.labels)):
            return _handed(place)
        why = self._why(build.labels)
        starts_in_s, when, brief = None, "", why.problem
        if not why.problem and start_s is None:
            when = brief = waiting.starts_after(rounded_s(self._line.next_s(build.labels)))
        elif not why.problem and start_s is not None:
            starts_in_s = rounded_s(start_s)
            when = waiting.starts(starts_in_s, why.overdue)
            brief = "" if starts_in_s is None else when
        among = self._store.place_among(build.number, why.rivals) if why.rivals else None
        return Wait(
            waiting.sentence(among, why.words, when),
            waiting.brief(among, brief),
            among,
            waiting.without_advice(why.words),
            starts_in_s,
            is_stuck=bool(why.problem),
        )

    def _is_handed(self, place: int, labels: Labels) -> bool:
        """Say whether one that has come since gets a slot at once: those before him get theirs.

        Those that have waited for something else already get none.
        """
        return place - self._held_up <= self._fleet.free_slots(labels)

    def _why(self, labels: Labels) -> Why:
        if labels not in self._whys:
            able = [agent for agent in self._agents if waiting.has_labels(agent, labels)]
            builds = [one.build for agent in able for one in agent.running]
            running = [number for number in builds if number in self._remaining_s]
            running.sort(key=lambda number: self._remaining_s[number])
            why = waiting.why(self._agents, running, labels)
            problem = waiting.problem(self._agents, labels)
            if self._short:
                why += f"; {waiting.DISK_SHORT}, so what runs can't deliver"
                problem = waiting.DISK_SHORT
            # Where no build was ever green, that is what to say.
            overdue = [each for each in running if self._remaining_s[each] == math.inf]
            self._whys[labels] = Why(
                why,
                problem,
                overdue if self._has_history else (),
                waiting.rivals(self._agents, labels, self._store.asked_labels()),
            )
        return self._whys[labels]


def _handed(place: int) -> Wait:
    return Wait(waiting.BEING_HANDED, waiting.BEING_HANDED, place, starts_in_s=0)


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
                commands=member.status.commands,
                repositories=member.status.repositories,
                sandbox=member.status.sandbox,
                no_secrets=member.status.no_secrets,
            )
            for member in self._fleet.members
        )

    def handed_at_once(self, place: int, build: Build) -> Wait | None:
        """Say what a new build waits for if there is a slot for all up to its place; else None.

        That is what would be seen, without a look.
        """
        return _handed(place) if place <= self._fleet.free_slots(build.labels) else None

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
        line = self._store.line(FORESEEN)
        took = {}
        for kind in {each.kind for each in line}:
            usual_s = await self._durations.likely_s(kind)
            took[kind] = math.inf if usual_s is None else usual_s
        forecast = Forecast(self._slots(ready, remaining))
        starts_s = {each.number: forecast.add(each.labels, took[each.kind]) for each in line}
        has_history = await self._durations.likely_s(Kind()) is not None
        return Sight(
            agents,
            self._fleet,
            self._store,
            remaining,
            line=forecast,
            starts_s=starts_s,
            has_history=has_history,
            short=short,
        )

    def _slots(
        self, ready: Sequence[AgentView], remaining: Mapping[int, float]
    ) -> dict[frozenset[str], list[float]]:
        """Say in how many seconds each slot is free, by labels; only those that are asked for."""
        asked = frozenset().union(*self._store.asked_labels())
        found: dict[frozenset[str], list[float]] = defaultdict(list)
        for member in self._fleet.members:
            found[asked & member.labels] += [FREE] * member.free_slots
        for agent in ready:
            found[asked.intersection(agent.agent.labels)] += [
                remaining[one.build] for one in agent.running
            ]
        return found

    async def _remaining(self, agents: list[AgentView], now: datetime) -> dict[int, float]:
        """Guess for each build that some agents run how many seconds it goes on."""
        running: list[Attempt] = [attempt for agent in agents for attempt in agent.running]
        kinds: dict[int, Kind] = await self._store.kinds([attempt.build for attempt in running])
        found = {}
        for attempt in running:
            usual_s = await self._durations.likely_s(kinds.get(attempt.build, Kind()))
            elapsed_s = (now - attempt.started_at).total_seconds()
            found[attempt.build] = remaining_s(usual_s, elapsed_s)
        return found
