"""Storage: all that this server has to do with an external storage API.

serve_storage
├─ source.serve_looks      takes what waits there, gives up what is no longer wanted
└─ reports.serve_reports   tells what becomes of it here, a few calls at once

Whatever ends one of them, it begins again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import trio

from ci.config import ServerConfig
from ci.server.external.again import serve_again
from ci.server.external.client import Http, StorageClient
from ci.server.external.gate import Gate
from ci.server.external.reports import Reports
from ci.server.external.source import Source
from ci.server.external.words import Trouble
from ci.server.logs import Logs
from ci.server.queue import Queue
from ci.server.room import Room
from ci.server.store.store import Store

TOLD_AFTER_S: Final = 30.0  # to people; it is no news that a storage is restarted


class Storage:
    """The storage of a configuration that has one, called by `http`."""

    def __init__(
        self,
        http: Http,
        base_url: str,
        config: ServerConfig,
        *,
        store: Store,
        logs: Logs,
        queue: Queue,
        room: Room,
        now: Callable[[], datetime],
    ) -> None:
        self._now = now
        client = StorageClient(http, base_url, config.api_token)
        self.gate = Gate()
        self.reports = Reports(store, logs, queue, client, self.gate, config=config, now=now)
        queue.tell_idle(self.reports.wake)
        self._source = Source(
            store, client, self.gate, room=room, config=config, taken=self.reports.watch
        )

    def trouble(self, number: int) -> Trouble | None:
        """Say what keeps the storage from hearing of a build, if something does."""
        track = self.reports.track(number)
        if track is None or not track.is_due:
            return None
        problem, next_at = track.problem, track.next_at
        if self.gate.problem and trio.current_time() < self.gate.shut_until:
            problem, next_at = self.gate.problem, self.gate.shut_until
        if not problem:
            return None
        wait = timedelta(seconds=max(0.0, next_at - trio.current_time()))
        return Trouble(problem, track.tries, self._now() + wait)

    @property
    def untold(self) -> int:
        """Of how many builds it has still to hear something."""
        return len(self.reports)

    @property
    def failing_s(self) -> float:
        """For how many seconds nothing works there, or its list can't be read; 0 if all is well."""
        return max(self.gate.failing_s, self._source.failing_s)

    @property
    def problem(self) -> str | None:
        """Say in a sentence that nothing is taken from it, and why, once that has lasted."""
        if self.failing_s < TOLD_AFTER_S:
            return None
        why = self.gate.problem or self._source.problem
        return f"Nothing is taken from the storage API now: {why}."

    def changed(self, number: int) -> None:
        """Hear that something of a build is another."""
        self.reports.changed(number)

    async def serve_storage(self) -> None:
        """Take builds and tell of them, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_again, "reports", self.reports.serve_reports)
            nursery.start_soon(serve_again, "looks", self._source.serve_looks)
