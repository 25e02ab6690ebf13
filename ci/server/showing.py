"""What pages show of builds, and the word by which they notice that it has changed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from ci.model import Attempt, Build, Status
from ci.origin import Phase, Report
from ci.server.external.decide import Wish, wish
from ci.server.external.words import Telling, told, waits
from ci.server.fleet import Fleet
from ci.server.logs import Logs
from ci.server.outlook import Outlook, Wait
from ci.server.room import Room
from ci.server.store.store import Store
from ci.server.unhurried import Unhurried
from ci.server.views import BuildView, ExternalView
from ci.server.waiting import brief, sentence

PLACES_BY_ONE = 20  # the first in line, whose pages are told of each step ahead
PLACE_BITS = 4  # of the others' places: their pages are told of each eighth or sixteenth of the way


class Showing:
    """Builds as they are shown, from what store, fleet, logs and outlook know of them."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        logs: Logs,
        room: Room,
        *,
        outlook: Outlook,
        shown: Unhurried,
        storage: Telling,
    ) -> None:
        """`shown` is the version of the store that pages follow."""
        self._storage = storage
        self._store = store
        self._fleet = fleet
        self._logs = logs
        self._room = room
        self._outlook = outlook
        self._shown = shown
        self._life = secrets.token_hex(4)

    def version(self, number: int | None = None, *, at_once: bool = False) -> str:
        """Return a word that changes soon after anything that a page shows may have changed.

        With `at_once` it changes at once, also in haste. So it does with a number, and then after
        anything that the page of that build shows. For one far back in line its place counts in
        steps, or each build that begins anywhere would make all pages anew. Bytes that are added
        to a log do not count: a log is asked for by its offset.
        """
        if number is not None:
            store = self._version_of(number)
        else:
            store = f"{self._store.version if at_once else self._shown.look()}"
        trouble = "" if self.trouble() is None else "-trouble"
        return f"{self._life}-{store}-{self._fleet.changes}{trouble}"

    def _version_of(self, number: int) -> str:
        place = self._store.places([number]).get(number)
        if place is None:
            return f"{number}:{self._store.version_of(number)}"
        # It is told a place between these two: not all that stand before it compete with it.
        alike = self._store.place_among_alike(number)
        if alike <= PLACES_BY_ONE:
            return f"{self._shown.look()}"  # others decide what it waits for
        return f"{number}:{self._store.version_of(number)}:{_step(place)}:{_step(alike)}"

    def trouble(self) -> str | None:
        """Say in a sentence for every page what keeps builds from being taken or kept, or None."""
        return self._room.look() or self._store.problem or self._storage.problem

    async def views(self, builds: Sequence[Build]) -> tuple[BuildView, ...]:
        """Return everything about each of some builds, as they are now, in as many queries as one.

        Of one that was removed since it was read there are no attempts.
        """
        if not builds:
            return ()
        whole = await self._store.whole([build.number for build in builds])
        return await self._show([whole.get(build.number, (build, [])) for build in builds])

    async def view(self, number: int) -> BuildView | None:
        """Return everything about a build, as it is now; None if there is none."""
        whole = await self._store.whole([number])
        views = await self._show(list(whole.values()))
        return views[0] if views else None

    async def view_of_new(self, build: Build) -> BuildView:
        """Return everything about a build that was accepted just now.

        As long as it waits, there is nothing of it to be read, and who has asked for it goes on.
        """
        place = self._place(build)
        wait = None if place is None else self._outlook.handed_at_once(place, build)
        if wait is None:
            sight = await self._outlook.look()
            place = self._place(build)  # while we looked, an agent may have taken it
            wait = None if place is None else sight.of(place, build)
        if place is None or wait is None:
            (view,) = await self.views([build])
            return view
        return _waiting(BuildView(build, ()), place, wait)

    def _place(self, build: Build) -> int | None:
        return self._store.places([build.number]).get(build.number)

    async def _show(self, read: Sequence[tuple[Build, list[Attempt]]]) -> tuple[BuildView, ...]:
        reports = await self._store.inbox.reports([build.number for build, _ in read])
        waiting = [build.number for build, _ in read if build.status is Status.WAITING]
        sight = await self._outlook.look() if waiting else None
        places = self._store.places(waiting)  # last of all: nobody is answered an old place
        found = []
        for build, attempts in read:
            view = BuildView(
                self._with_log_size(build, attempts),
                tuple(attempts),
                phase=self._phase(build, attempts),
            )
            if sight is not None and (place := places.get(build.number)) is not None:
                view = _waiting(view, place, sight.of(place, build))
            if (report := reports.get(build.number)) is not None:
                view = self._from_storage(view, report)
            found.append(view)
        return tuple(found)

    def _from_storage(self, view: BuildView, report: Report) -> BuildView:
        """Say where a build came from, how far that knows of it, and if it waits for that alone."""
        is_due = wish(report.phase, view.build.status) is not Wish.NOTHING
        trouble = self._storage.trouble(view.build.number) if is_due else None
        known = told(report, view.build.status, trouble)
        view = replace(
            view, external=ExternalView(report.origin, known, report.phase is Phase.OVER)
        )
        if view.queue_position is None or trouble is None:
            return view
        place = view.queue_position
        return replace(
            view,
            waiting_for=sentence(place, waits(trouble)),
            waits_briefly=brief(place, "waits for the storage API"),
            waits_because=None,
            starts_in_s=None,
        )

    def _with_log_size(self, build: Build, attempts: Sequence[Attempt]) -> Build:
        """Say how much there is of a log whose size the store was not told: it may still grow."""
        if build.log_size is not None or not attempts:
            return build
        return replace(build, log_size=self._logs.size(attempts[-1].id))

    def _phase(self, build: Build, attempts: Sequence[Attempt]) -> str | None:
        if build.status is not Status.RUNNING or not attempts:
            return None
        return self._fleet.phase(attempts[-1])


def _waiting(view: BuildView, place: int, wait: Wait) -> BuildView:
    return replace(
        view,
        queue_position=place,
        place=wait.place,
        waiting_for=wait.why,
        waits_briefly=wait.briefly,
        waits_because=wait.because,
        starts_in_s=wait.starts_in_s,
        is_stuck=wait.is_stuck,
    )


def _step(place: int) -> int:
    """Round a place down, the rougher the farther back it is."""
    step = 1 << max(0, place.bit_length() - PLACE_BITS)
    return place // step * step
