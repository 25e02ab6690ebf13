"""Inbox: builds that came from an external storage, and how far their reports have got.

Part of the store: one method = one transaction, and what follows from it is told right after.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ci.model import Build, BuildRequest, Outcome, Status
from ci.origin import Origin, Phase, Report
from ci.server.store import builds as build_rows
from ci.server.store import external
from ci.server.store.ends import Canceled
from ci.server.store.line import Waits, line_is_full
from ci.server.store.reads import Reads
from ci.server.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Told:
    """Who in the store is told of what was committed."""

    accepted: Callable[[Build], None]  # it waits, but is held back
    canceled: Callable[[Canceled], None]
    released: Callable[[Waits], None]  # an agent may have it now
    changed: Callable[[int], None]  # what is known of a build, but not its status


class Inbox:
    """What is kept of the storage's builds. Every change may raise StoreFailed."""

    def __init__(
        self, reads: Reads, writer: Writer, now: Callable[[], datetime], told: Told
    ) -> None:
        self._reads = reads
        self._writer = writer
        self._now = now
        self._told = told

    async def take(
        self,
        origin: Origin,
        request: BuildRequest,
        max_waiting: int | None = None,
        *,
        phase: Phase = Phase.TAKEN,
        refusal: Outcome | None = None,
    ) -> Build | None:
        """Accept a build of the storage, and hold it back; None if it was accepted before.

        Raises Busy when `max_waiting` builds wait already.
        """

        def take(connection: Connection) -> Build | None:
            if max_waiting is not None and build_rows.waiting(connection) >= max_waiting:
                raise line_is_full(max_waiting)
            return external.take(
                connection, origin, request, self._now(), phase=phase, refusal=refusal
            )

        def tell(build: Build | None) -> None:
            if build is not None:
                self._told.accepted(build)

        return await self._writer.run(take, then=tell)

    async def known(self, ids: Collection[str]) -> set[str]:
        """Return those ids that were ever taken."""
        return await self._reads.ask(lambda c: external.known(c, ids))

    async def unreported(self) -> list[tuple[Report, Status]]:
        """Return all of which something is still to be told, and how their builds stand."""
        return await self._reads.ask(external.unreported)

    async def reports(self, numbers: Collection[int]) -> dict[int, Report]:
        """Return what is told of those builds that came from the storage."""
        return await self._reads.ask(lambda c: external.of_builds(c, numbers))

    async def starting(self, report: Report, at: datetime) -> None:
        """Note that a start is about to be sent, and the time in it."""
        await self._writer.run(
            lambda c: external.starting(c, report.origin.id, at),
            then=lambda _: self._told.changed(report.build),
        )

    async def started(self, report: Report) -> None:
        """Note that it has begun there, and let an agent have it."""

        def tell(waits: Waits | None) -> None:
            self._told.changed(report.build)
            if waits is not None:
                self._told.released(waits)

        await self._writer.run(lambda c: external.started(c, report.origin.id), then=tell)

    async def close(self, report: Report, note: str) -> None:
        """Note that nothing more is told of it, and why if that is worth a word."""
        await self._writer.run(
            lambda c: external.close(c, report.origin.id, note),
            then=lambda _: self._told.changed(report.build),
        )

    async def drop(self, report: Report, note: str) -> None:
        """Close it, and cancel our build if that has not ended."""

        def tell(canceled: Canceled | None) -> None:
            self._told.changed(report.build)
            if canceled is not None:
                self._told.canceled(canceled)

        await self._writer.run(
            lambda c: external.drop(c, report.origin.id, note, self._now()), then=tell
        )
