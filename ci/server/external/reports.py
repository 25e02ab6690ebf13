"""Reports: tells the storage what becomes of its builds, in order for each, until it has heard it.

serve_reports
└─ work(track)      one task for each build about which something can be told now; a few at once

Nothing of what is to be told is in memory only: it follows from how a build stands here and from
its phase, which are in the store. A track remembers what failed last, and when to try again.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Final

import structlog
import trio

from ci.backoff import delays
from ci.config import ServerConfig
from ci.errors import StoreFailed
from ci.model import Build, Status
from ci.origin import Phase, Report
from ci.server.external.body import Finish, make_finish
from ci.server.external.client import StorageClient, StorageFailed
from ci.server.external.decide import Decision, Stand, Step, Wish, decide, stand, wish
from ci.server.external.gate import Gate
from ci.server.external.there import Word
from ci.server.logs import Logs
from ci.server.queue import Queue
from ci.server.store.store import Store

MOST_AT_ONCE: Final = 4  # calls; the storage is somebody else's, and small
FIRST_S: Final = 1.0
CAP_S: Final = 300.0  # between two tries of what is refused for one build alone
STORE_S: Final = 5.0  # before the next try when the store could not write
LEAST_LOG: Final = 1024  # bytes; a log that is too large is halved down to this
_TOO_LARGE: Final = 413

log = structlog.get_logger()


class Track:
    """One build that is not over for the storage."""

    def __init__(self, log_limit: int, there: Stand | None) -> None:
        self.there = there  # None: not sure, so it is looked at first
        self.is_due = True  # something may have to be told
        self.needs_slot = False  # its start is to be told once a slot is free
        self.has_slot = False
        self.at_work = False
        self.log_limit = log_limit
        self.tries = 0
        self.problem = ""
        self.next_at = -math.inf  # in trio's seconds
        self.waits = delays(FIRST_S, CAP_S)


class Reports:
    """All builds of the storage of which something is still to be told, by our number."""

    def __init__(
        self,
        store: Store,
        logs: Logs,
        queue: Queue,
        client: StorageClient,
        gate: Gate,
        *,
        config: ServerConfig,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._logs = logs
        self._queue = queue
        self._client = client
        self._gate = gate
        self._shared = config.api_shared
        self._log_limit = config.api_log_bytes
        self._now = now
        self._tracks: dict[int, Track] = {}
        self._wake = trio.Event()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._tracks)

    def track(self, number: int) -> Track | None:
        """Return what is known of telling of a build; None when nothing is left to be told."""
        return self._tracks.get(number)

    def changed(self, number: int) -> None:
        """Look at a build again: something of it is another."""
        if (track := self._tracks.get(number)) is not None:
            track.is_due = True
            self.wake()

    def watch(self, number: int, there: Stand | None) -> None:
        """Tell of one from now on; None: nobody is sure how it stands there."""
        self._tracks.setdefault(number, Track(self._log_limit, there))
        self.wake()

    def wake(self) -> None:
        """Look again what can be told: for example because a slot is free."""
        self._wake.set()

    async def serve_reports(self) -> None:
        """Tell, for ever."""
        for report, _ in await self._store.inbox.unreported():
            self.watch(report.build, None)
        async with trio.open_nursery() as nursery:
            while True:
                await self._gate.wait_open()
                self._wake = trio.Event()
                for number in self._choose():
                    self._tracks[number].at_work = True
                    nursery.start_soon(self._work, number, self._tracks[number])
                with trio.move_on_at(self._next_at()):
                    await self._wake.wait()

    def _choose(self) -> Iterator[int]:
        """Yield which are to be worked on now: ends first, then starts, if slots are free."""
        room = MOST_AT_ONCE - sum(track.at_work for track in self._tracks.values())
        now = trio.current_time()
        due = [
            number
            for number, track in self._tracks.items()
            if track.is_due and not track.at_work and track.next_at <= now
        ]
        slots = self._queue.idle - sum(track.has_slot for track in self._tracks.values())
        needy = [number for number in due if self._tracks[number].needs_slot]
        places = self._store.places(needy)
        starts = sorted(needy, key=lambda number: places.get(number, 0))[: max(0, slots)]
        for number in starts:
            self._tracks[number].has_slot = True
        others = [number for number in due if not self._tracks[number].needs_slot]
        chosen = [*others, *starts][: max(0, room)]
        for number in set(starts) - set(chosen):
            self._tracks[number].has_slot = False
        yield from chosen

    def _next_at(self) -> float:
        """When something is to be tried again by itself."""
        now = trio.current_time()
        times = (
            track.next_at
            for track in self._tracks.values()
            if track.is_due and not track.at_work and track.next_at > now
        )
        return min(times, default=math.inf)

    async def _work(self, number: int, track: Track) -> None:
        """Do all that can be done about one build now."""
        try:
            while await self._step(number, track):
                pass
        except StorageFailed as error:
            self._fail(number, track, error)
        except StoreFailed as error:
            track.is_due = True
            track.problem = str(error)
            track.next_at = trio.current_time() + STORE_S
        finally:
            track.at_work = track.has_slot = False
            self.wake()

    async def _step(self, number: int, track: Track) -> bool:
        """Do the next step; return whether another one may follow."""
        track.is_due = track.needs_slot = False  # before it is read how it stands
        report = (await self._store.inbox.reports([number])).get(number)
        build = await self._store.build(number)
        if report is None or build is None or report.phase is Phase.OVER:
            del self._tracks[number]
            return False
        wanted = wish(report.phase, build.status)
        if wanted is Wish.NOTHING:
            return False
        succeeded = build.status is Status.SUCCESS
        decision = decide(wanted, track.there, succeeded=succeeded)
        # What will not be built is begun at any time, so that its end can be told.
        if (wanted, decision.step) == (Wish.START, Step.START) and not track.has_slot:
            track.is_due = track.needs_slot = True
            return False
        await self._do(decision, report, build, track)
        if decision.step is not Step.LOOK:  # which works also where what is to be told is refused
            track.tries, track.problem = 0, ""
            track.waits = delays(FIRST_S, CAP_S)
        return True

    async def _do(self, decision: Decision, report: Report, build: Build, track: Track) -> None:
        """Do a step. Raises StorageFailed, StoreFailed."""
        match decision.step:
            case Step.LOOK:
                there = await self._client.details(report.origin.id)
                self._gate.worked()
                track.there = stand(report, there, shared=self._shared)
            case Step.START:
                # Kept before it is sent: by this time we know later that the start was ours. So the
                # same one is sent again, as long as an earlier one may still be on its way.
                at = report.start or self._now()
                await self._store.inbox.starting(report, at)
                await self._tell(track, self._client.start(report.origin.id, at))
                track.there = Stand(Word.IN_PROGRESS, is_ours=True)
                await self._store.inbox.started(report)
            case Step.STARTED:
                await self._store.inbox.started(report)
            case Step.FINISH:
                finish = await self._finish(build, track.log_limit)
                await self._tell(track, self._client.finish(report.origin.id, finish))
                await self._close(report, "")
            case Step.CANCEL:
                await self._tell(track, self._client.cancel(report.origin.id))
                await self._close(report, "")
            case Step.CLOSE:
                await self._close(report, decision.note)
            case Step.DROP:
                await self._store.inbox.drop(report, decision.note)
                log.warning("storage build dropped", build=report.build, why=decision.note)

    async def _tell(self, track: Track, call: Awaitable[None]) -> None:
        """Make a call that changes something there. If it fails, we are no longer sure."""
        before, track.there = track.there, None
        try:
            await call
        except StorageFailed as error:
            if not error.sent:
                track.there = before
            raise
        self._gate.worked()

    async def _finish(self, build: Build, limit: int) -> Finish:
        attempts = (await self._store.whole([build.number]))[build.number][1]
        last = attempts[-1].id if attempts else None
        try:
            return await make_finish(build, last, self._logs, limit)
        except OSError as error:
            raise StoreFailed(f"the log of build {build.number} can't be read: {error}") from error

    async def _close(self, report: Report, note: str) -> None:
        await self._store.inbox.close(report, note)
        log.info("storage build reported", build=report.build, note=note)

    def _fail(self, number: int, track: Track, error: StorageFailed) -> None:
        """Note a failure. Only one that is of this build alone makes it wait for longer."""
        track.is_due = True
        track.needs_slot = track.has_slot  # so that none behind it gets the slot before it
        track.tries += 1
        track.problem = str(error)
        if error.status == _TOO_LARGE:
            track.log_limit = max(LEAST_LOG, track.log_limit // 2)
        if self._gate.failed(error):
            track.next_at = self._gate.shut_until
        else:
            track.next_at = trio.current_time() + next(track.waits)
        self._store.note_change(number)  # its page says so
