"""Reports: tells the storage what becomes of its builds, in order for each, until it has heard it.

serve_reports
└─ work(track)      one task for each build about which something can be told now; a few at once

What is told is in `steps.py`, which is next in `track.py`; here is what follows from failures.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
import trio

from ci.config import ServerConfig
from ci.errors import StoreFailed
from ci.server.external.client import StorageClient, StorageFailed
from ci.server.external.decide import Stand, Step
from ci.server.external.gate import Gate
from ci.server.external.steps import Steps
from ci.server.external.track import Track, choose, next_at
from ci.server.logs import Logs
from ci.server.queue import Queue
from ci.server.store.store import Store

MOST_AT_ONCE: Final = 4  # calls; the storage is somebody else's, and small
STORE_S: Final = 5.0  # before the next try when the store could not write
TOLD_TRIES: Final = 6  # of one build, when the log tells that; fewer are no news

log = structlog.get_logger()


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
        self._queue = queue
        self._gate = gate
        self._steps = Steps(store, logs, client, gate, config=config, now=now)
        self._shared = config.api_shared
        self._log_limit = config.api_log_bytes
        self._tracks: dict[int, Track] = {}
        self._wake = trio.Event()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._tracks)

    def track(self, number: int) -> Track | None:
        """Return what is known of telling of a build; None when nothing is left to be told."""
        return self._tracks.get(number)

    def changed(self, number: int) -> None:
        """Look at a build again: something of it is another, perhaps that it needs no slot now."""
        if (track := self._tracks.get(number)) is not None:
            track.is_due, track.needs_slot = True, False
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
                    track = self._tracks[number]
                    track.at_work, track.has_slot = True, track.needs_slot
                    if self._shared and track.has_slot:
                        track.there = None  # others may have been faster since it was looked at
                    nursery.start_soon(self._work, number, track)
                with trio.move_on_at(next_at(self._tracks, trio.current_time())):
                    await self._wake.wait()

    def _choose(self) -> list[int]:
        return choose(
            self._tracks,
            self._store.places,
            calls=MOST_AT_ONCE,
            slots=self._queue.idle,
            now=trio.current_time(),
        )

    async def _work(self, number: int, track: Track) -> None:
        """Do all that can be done about one build now."""
        try:
            while (step := await self._steps.take(number, track)) is not None:
                if step is not Step.LOOK:  # which works also where what is to be told is refused
                    track.advanced()
        except StorageFailed as error:
            self._fail(number, track, error)
        except StoreFailed as error:
            track.failed(str(error))
            track.next_at = trio.current_time() + STORE_S
        except Exception as error:  # whatever it is about this build, the others have no part in it
            problem = f"a mistake of this server: {error!r}"
            if problem != track.problem:
                log.exception("storage build broken", build=number, next="it is tried again")
            track.failed(problem)
            track.back_off(trio.current_time())
        finally:
            track.at_work = track.has_slot = False
            if track.is_over:
                del self._tracks[number]
            if track.problem:
                self._store.note_change(number)  # its page says so
            self.wake()

    def _fail(self, number: int, track: Track, error: StorageFailed) -> None:
        """Note a failure. Only one that is of this build alone makes it wait for longer."""
        track.failed(str(error))
        for_all = self._gate.failed(error, number)
        if track.share.failed(error, for_all=for_all):
            limit = track.share.limit
            log.warning("storage log cut", build=number, error=str(error), next_limit=limit)
            track.begin_anew()
        if for_all and error.retry_after_s is None:
            track.next_at = self._gate.shut_until
            return
        track.back_off(trio.current_time(), error.retry_after_s or 0.0)
        if track.tries == TOLD_TRIES:
            next = "more and more rarely, for ever"
            log.warning("storage build not told", build=number, error=str(error), next=next)
