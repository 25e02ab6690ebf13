"""Source: looks again and again what the storage has, and takes what waits there.

It is taken into our own line at once, where it has a number and is on disk. It stays `Waiting`
there, for others to see, until an agent has a free slot for it (`reports.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import structlog
import trio

from ci.backoff import delays
from ci.config import ServerConfig
from ci.errors import Busy, StoreFailed
from ci.model import Outcome
from ci.origin import Phase
from ci.outage import Outage
from ci.server.admission import Admission
from ci.server.external.client import PAGE, StorageClient, StorageFailed
from ci.server.external.decide import Stand
from ci.server.external.gate import CAP_S, FIRST_S, Gate
from ci.server.external.listing import Listing
from ci.server.external.scan import sift
from ci.server.external.there import Conf, Page, There
from ci.server.external.wanted import ORPHAN, request_of
from ci.server.room import Room
from ci.server.store.store import Store

T = TypeVar("T")

TRIES: Final = 5  # of one call of a look; else no long list is ever read where one of three fails
TRY_AGAIN_S: Final = 0.5
REMIND_S: Final = 3600.0  # between two lines that nothing is configured there

log = structlog.get_logger()


class Source:
    """Takes builds. `taken` is called with our number of each, and how it stands there."""

    def __init__(
        self,
        store: Store,
        client: StorageClient,
        gate: Gate,
        *,
        room: Room,
        config: ServerConfig,
        taken: Callable[[int, Stand], None],
    ) -> None:
        self._store = store
        self._client = client
        self._gate = gate
        self._room = room
        self._config = config
        self._admission = Admission(config)
        self._taken = taken
        self._idle = Outage(REMIND_S)
        self._conf_id = ""
        self._listing = Listing(self._page)
        self._is_first = True  # what is in progress there, and not here, is from an earlier life
        self._full = Outage(REMIND_S)
        self._unread = Outage(REMIND_S)
        self._problem = ""  # what failed last
        self._left_out = Outage(REMIND_S)

    @property
    def failing_s(self) -> float:
        """For how many seconds the list could not be read; 0 if it can."""
        return self._unread.lasts_s

    @property
    def problem(self) -> str:
        """Why that is, if it is so."""
        return self._problem if self._unread.lasts else ""

    async def serve_looks(self) -> None:
        """Look, for ever; what fails is tried again, more and more rarely."""
        waits = delays(FIRST_S, CAP_S)
        while True:
            await self._gate.wait_open()
            wait_s = 0.0
            try:
                await self.look()
            except StorageFailed as error:
                wait_s = max(next(waits), error.retry_after_s or 0.0)
                if not self._gate.failed(error):
                    self._tell_unread(str(error))
            except StoreFailed as error:
                self._tell_full(str(error))
            except Exception as error:  # whatever stands there, builds asked for here go on
                wait_s = next(waits)
                self._problem = f"a mistake of this server: {error!r}"
                if self._unread.failed() is not None:
                    log.exception("storage look broken", next="it is read again")
            else:
                waits = delays(FIRST_S, CAP_S)
                if (lasted_s := self._unread.over()) is not None:
                    log.info("storage list read again", after_s=lasted_s)
            await trio.sleep(max(wait_s, self._listing.pause_s, self._config.api_poll_seconds))

    async def look(self) -> None:
        """Take what waits there, and give up what is no longer wanted.

        Raises StorageFailed, StoreFailed.
        """
        conf = await self._try(self._client.conf)
        if conf is None:
            if self._idle.failed() is not None:
                log.warning("storage API has no configuration", next="nothing is taken from it")
            return
        self._idle.over()
        if conf.id != self._conf_id:
            log.info("storage API configured", repository=conf.repository, configuration=conf.id)
            self._conf_id = conf.id
            self._listing.forget()
        builds = await self._listing.read()
        self._tell_left_out(self._listing.problem)
        known = await self._known(builds)
        open_here = await self._store.inbox.unreported()
        found = sift(builds, conf.id, known, open_here)
        for report, note in found.dropped:
            await self._store.inbox.drop(report, note)
            log.warning("storage build dropped", build=report.build, why=note)
        if self._is_first and not self._config.api_shared:
            for there in found.orphans:
                await self._take(conf, there, phase=Phase.STARTED, refusal=ORPHAN)
        for there in found.wanted:
            await self._take(conf, there)
        self._is_first = False
        self._listing.took(builds, {report.origin.id for report, _ in open_here})
        self._full.over()

    async def _page(self, offset: int) -> Page:
        return await self._try(partial(self._client.page, offset))

    async def _known(self, builds: list[There]) -> set[str]:
        ids = [build.origin.id for build in builds if not build.status.ended]
        known: set[str] = set()
        for begin in range(0, len(ids), PAGE):
            known |= await self._store.inbox.known(ids[begin : begin + PAGE])
        return known

    async def _take(
        self,
        conf: Conf,
        there: There,
        *,
        phase: Phase = Phase.TAKEN,
        refusal: Outcome | None = None,
    ) -> None:
        """Take one build. Raises StoreFailed when there is no room for it; it waits there then."""
        self._room.demand()
        known, prefix = self._config.known_repositories, self._config.repository_prefix
        request, problem = request_of(conf, there, known, prefix)
        refusal = (
            refusal or problem or self._admission.refusal(request.repository_url, request.command)
        )
        most = self._config.max_waiting_builds
        try:
            build = await self._store.inbox.take(
                there.origin, request, most, phase=phase, refusal=refusal
            )
        except Busy as error:
            raise StoreFailed(error.message) from error
        if build is not None:
            self._taken(build.number, Stand(there.status, is_ours=True))

    async def _try(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, some times if it fails for no reason. Raises StorageFailed."""
        waits = delays(TRY_AGAIN_S)
        for _ in range(TRIES - 1):
            try:
                return await self._asked(call)
            except StorageFailed as error:
                if error.for_all:
                    raise
            await trio.sleep(next(waits))
        return await self._asked(call)

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T:
        answer = await call()
        self._gate.worked()
        return answer

    def _tell_unread(self, problem: str) -> None:
        self._problem = problem
        if self._unread.failed() is not None:
            log.warning("storage list not read", error=problem, next="it is read again")

    def _tell_left_out(self, problem: str) -> None:
        if not problem:
            self._left_out.over()
        elif self._left_out.failed() is not None:
            log.warning("storage builds left out", error=problem, next="the others are taken")

    def _tell_full(self, error: str) -> None:
        if self._full.failed() is not None:
            log.warning("storage builds not taken", error=error, next="they wait there")
