"""Steps: what is done about one build, so that it and the storage come to agree; one at a time."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog
import trio

from ci.config import ServerConfig
from ci.errors import StoreFailed
from ci.model import Build, Status
from ci.origin import Phase, Report
from ci.server.external.body import Finish, make_finish
from ci.server.external.client import StorageClient, StorageFailed
from ci.server.external.decide import Decision, Stand, Step, Wish, decide, stand, wish
from ci.server.external.gate import Gate
from ci.server.external.there import Word
from ci.server.external.track import Track
from ci.server.logs import Logs
from ci.server.store.store import Store

log = structlog.get_logger()


class Steps:
    """Has what it takes to tell of a build. What fails is left to who asks for a step."""

    def __init__(
        self,
        store: Store,
        logs: Logs,
        client: StorageClient,
        gate: Gate,
        *,
        config: ServerConfig,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._logs = logs
        self._client = client
        self._gate = gate
        self._shared = config.api_shared
        self._now = now

    async def take(self, number: int, track: Track) -> Step | None:
        """Do the next step about a build, and return it; None when there is none for now.

        Raises StorageFailed, StoreFailed.
        """
        track.is_due = track.needs_slot = False  # before it is read how it stands
        report = (await self._store.inbox.reports([number])).get(number)
        build = await self._store.build(number)
        if report is None or build is None or report.phase is Phase.OVER:
            track.is_over = True
            return None
        wanted = wish(report.phase, build.status)
        if wanted is Wish.NOTHING:
            return None
        decision = decide(wanted, track.there, succeeded=build.status is Status.SUCCESS)
        # What will not be built is begun at any time, so that its end can be told.
        if (wanted, decision.step) == (Wish.START, Step.START) and not track.has_slot:
            track.is_due = track.needs_slot = True
            return None
        await self._do(decision, report, build, track)
        return decision.step

    async def _do(self, decision: Decision, report: Report, build: Build, track: Track) -> None:
        match decision.step:
            case Step.LOOK:
                there = await self._client.details(report.origin.id)
                self._gate.worked()
                track.there = stand(report, there, shared=self._shared)
                track.unsure_until = -math.inf
            case Step.START:
                # Kept before it is sent: by this time we know later that the start was ours. So the
                # same one is sent again, as long as an earlier one may still be on its way.
                at = report.start or self._now()
                await self._store.inbox.starting(report, at)
                track.begins(trio.current_time())
                await self._tell(track, self._client.start(report.origin.id, at))
                track.there = Stand(Word.IN_PROGRESS, is_ours=True)
                await self._store.inbox.started(report)
            case Step.STARTED:
                await self._store.inbox.started(report)
            case Step.FINISH:
                finish = await self._finish(build, track.share.limit)
                track.share.sending(len(finish.log))
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
