"""The store: one method = one transaction. What a method has answered is on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import trio
from sqlalchemy import Connection

from ci import blocking
from ci.model import (
    Agent,
    Attempt,
    Build,
    BuildRequest,
    CommitInfo,
    Kind,
    Labels,
    Lease,
    Outcome,
    Status,
)
from ci.people import Asker
from ci.server.journal import Journal
from ci.server.metrics import Metrics
from ci.server.store import (
    agents,
    attempts,
    auditlog,
    builds,
    ends,
    enrolling,
    leases,
    line,
    removal,
)
from ci.server.store.book import Book
from ci.server.store.damage import Damage
from ci.server.store.database import Database, open_database
from ci.server.store.ends import Canceled, Ended
from ci.server.store.enrolling import Claim, Enrolment, Saved
from ci.server.store.inbox import Inbox, Told
from ci.server.store.leases import PutBack
from ci.server.store.line import Waits, line_is_full
from ci.server.store.reads import Reads
from ci.server.store.safe import Safe
from ci.server.store.tables import health
from ci.server.store.versions import Versions
from ci.server.store.writer import MAX_AGENT_ORDERS, MAX_BATCH, MAX_ORDERS, Writer
from ci.server.views import SecretKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class News:
    """Who is told of what was committed; at once, and even if its caller has left meanwhile."""

    waiting: Callable[[Labels], None]  # one more build waits, which asks for these
    over: Callable[[str, bool], None]  # an attempt has ended; True: its agent has delivered it
    green: Callable[[int], None] = lambda _number: None  # a build has ended, and is green
    changed: Callable[[int], None] = lambda _number: None  # anything of a build is another


@asynccontextmanager
async def open_store(
    folder: Path, now: Callable[[], datetime], journal: Journal | None = None
) -> AsyncIterator[Store]:
    """Open the store in `folder`, upgrade it if needed, and write until the block is left.

    `journal` is told of each change to a build, and how long the disk took for it.
    Raises StoreError when the folder can't be used, StoreDamaged when that is found out later.
    """
    journal = journal or Journal(Metrics())
    database = await blocking.run(open_database, folder)
    try:
        async with trio.open_nursery() as nursery:
            damage = Damage(database.path)
            nursery.start_soon(damage.serve_checks)
            writer = Writer(database.writer, journal.metrics, database.check_in_place, damage)
            nursery.start_soon(writer.serve_writes)
            try:
                yield Store(database, writer, now, journal, damage)
            except Exception:
                damage.check()  # it explains whatever else went wrong
                raise
            nursery.cancel_scope.cancel()
    finally:
        database.close()


class Store(Reads):
    """Builds, jobs, attempts and agents on disk: what changes them, beside what only reads.

    Every method may raise StoreFailed.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        now: Callable[[], datetime],
        journal: Journal,
        damage: Damage,
    ) -> None:
        super().__init__(database.reader, damage)
        self._writer = writer
        self.book = Book(self, writer, now)
        self.safe = Safe(self, writer, now)
        told = Told(self._hold, self._canceled, self._wait, self._changed)
        self.inbox = Inbox(self, writer, now, told)
        self._now = now
        self._journal = journal
        self._versions = Versions()
        self._news = News(waiting=lambda _labels: None, over=lambda _id, _delivered: None)

    def tell(self, news: News) -> None:
        """Tell `news` of what is committed from now on."""
        self._news = news

    @property
    def version(self) -> int:
        """Grows with every commit that a page might show."""
        return self._writer.version

    def version_of(self, number: int) -> int:
        """Changes with every commit that changes what the store has of a build."""
        return self._versions.of(number)

    @property
    def problem(self) -> str | None:
        """Why the last write was refused by the disk, or None."""
        return self._writer.problem

    async def accept(
        self,
        request: BuildRequest,
        max_waiting: int | None = None,
        refusal: Outcome | None = None,
        by: Asker | None = None,
    ) -> Build:
        """Store a new build and return it with its number; with a `refusal` it has ended so.

        It is noted if somebody asked for it.

        Raises Busy when `max_waiting` builds wait already, or too many changes.
        """
        if max_waiting is not None and len(self._line) >= max_waiting:
            raise line_is_full(max_waiting)

        def accept(connection: Connection) -> Build:
            # The line knows nothing yet of what is in the same batch, so near the limit the store
            # is asked. Of many that come at once, none gets past it.
            if (
                max_waiting is not None
                and len(self._line) + MAX_BATCH > max_waiting
                and builds.waiting(connection) >= max_waiting
            ):
                raise line_is_full(max_waiting)
            now = self._now()
            build = builds.accept(connection, request, now, refusal)
            if by is not None:
                auditlog.note(connection, by, "asked for", f"build {build.number}", now)
            return build

        def tell(build: Build) -> None:
            if self._accepted(build):
                self._wait(_place(build))

        return await self._writer.run(accept, then=tell, most=MAX_ORDERS)

    async def cancel(self, number: int, by: Asker | None = None) -> None:
        """Cancel a build, and note who did it. Raises NotFound, Conflict."""
        name = by.name if by is not None else ""

        await self._writer.run(
            self._noted(
                lambda c: ends.cancel(c, number, self._now(), name),
                by,
                "canceled",
                f"build {number}",
            ),
            then=self._canceled,
            most=MAX_ORDERS,
        )

    async def move_to_front(self, number: int, by: Asker | None = None) -> None:
        """Let a build that waits be the next one, also after a restart; note who did it.

        Raises NotFound, Conflict when it does not wait, and Busy.
        """

        def tell(waits: Waits) -> None:
            self._changed(number)
            self._journal.moved(number)
            self._line.remove(number)
            self._line.add(waits)

        moved = "moved to the front"
        await self._writer.run(
            self._noted(lambda c: line.move_to_front(c, number), by, moved, f"build {number}"),
            then=tell,
            most=MAX_ORDERS,
        )

    async def lease(
        self,
        agent: str,
        labels: Collection[str] = (),
        *,
        has_peers: Callable[[Labels], bool] = lambda _labels: False,
    ) -> Lease | None:
        """Give the next waiting job to `agent` that asks for nothing but its `labels`, or None.

        Where it `has_peers` that have those labels, too, rather one that it has not lost before.
        """
        has = frozenset(labels)
        shared = {
            asked for asked in self.asked_labels() if has.issuperset(asked) and has_peers(asked)
        }

        def tell(lease: Lease | None) -> None:
            if lease is not None:
                self._changed(lease.build.number)
                self._journal.leased(lease)
                self._line.remove(lease.build.number)

        return await self._writer.run(
            lambda c: leases.lease(c, agent, self._now(), has, shared), then=tell
        )

    async def put_back(self, id: str) -> None:
        """Undo a lease that its agent never took."""

        def tell(back: PutBack | None) -> None:
            if back is None:
                return
            self._changed(back.number)
            if back.waits is not None:
                self._journal.put_back(back.number, id)
                self._wait(back.waits)

        await self._writer.run(lambda c: leases.put_back(c, id), then=tell)

    async def end(self, id: str, outcome: Outcome, *, delivered: bool) -> Ended:
        """End an attempt, or the log of a canceled one.

        An identical repeat is fine; else raises GivenUp if it is over.
        `delivered` says that its agent told so and has nothing left of it; then it may raise Busy.
        """

        def tell(ended: Ended) -> None:
            self._changed(ended.attempt.build)
            if ended.repeated:
                if delivered:
                    self._journal.result_repeated(ended.attempt)
            elif ended.attempt.status is Status.CANCELED:
                if delivered:
                    self._journal.log_taken(ended.attempt)
                else:
                    self._journal.log_given_up(ended.attempt, outcome.message)
            elif delivered:
                self._journal.result_taken(ended.attempt, again=ended.again is not None)
            else:
                self._journal.given_up(ended.attempt, again=ended.again is not None)
            self._news.over(id, delivered)
            if outcome.status is Status.SUCCESS and not ended.repeated:
                self._news.green(ended.attempt.build)
            if ended.again is not None:
                self._wait(ended.again)

        return await self._writer.run(
            lambda c: ends.end(c, id, outcome, self._now()),
            then=tell,
            most=MAX_AGENT_ORDERS if delivered else None,
        )

    async def note_commit(self, id: str, commit: CommitInfo) -> None:
        """Keep what an agent found behind the commit that was asked for."""

        def tell(attempt: Attempt | None) -> None:
            if attempt is not None:
                self._changed(attempt.build)
                self._journal.commit_found(attempt, commit)

        await self._writer.run(lambda c: attempts.note_commit(c, id, commit), then=tell)

    async def note_cut(self, id: str, cut: int) -> None:
        """Keep where the middle of an attempt's log is left out. Raises Busy."""

        def tell(attempt: Attempt | None) -> None:
            if attempt is not None:
                self._changed(attempt.build)

        await self._writer.run(
            lambda c: attempts.note_cut(c, id, cut), then=tell, most=MAX_AGENT_ORDERS
        )

    async def note_secrets(self, id: str, note: str, sent: Collection[SecretKey]) -> None:
        """Keep in words which secrets an attempt has, and that some are `sent` to its agent."""

        def note_it(connection: Connection) -> Attempt | None:
            self.safe.note_use(connection, sent)
            return attempts.note_secrets(connection, id, note)

        def tell(attempt: Attempt | None) -> None:
            if attempt is not None:
                self._changed(attempt.build)

        await self._writer.run(note_it, then=tell)

    async def save_agent(
        self,
        agent: Agent,
        kept: Callable[[Saved], None] | None = None,
        claim: Claim | None = None,
        max_agents: int | None = None,
        long_lost: Sequence[str] = (),
    ) -> Agent:
        """Store what an agent said of itself; `kept` is called right after the commit.

        When `max_agents` are known, a new one takes the place of the first of `long_lost` that
        holds no attempt and is not paused; raises TooManyAgents when there is none, and Busy.
        A `claim` that does not hold raises Conflict or Unauthorized.
        """
        saved = await self._writer.run(
            lambda c: agents.save(c, agent, claim, max_agents, long_lost),
            then=kept,
            most=MAX_AGENT_ORDERS,
        )
        return saved.agent

    async def pause_agent(
        self,
        name: str,
        *,
        paused: bool,
        note: str = "",
        kept: Callable[[Agent], None] | None = None,
        by: Asker | None = None,
    ) -> Agent:
        """Let an agent take no more work, and `note` why, or take it again; `kept` as above.

        Raises NotFound, Busy.
        """
        action = "paused" if paused else "resumed"
        return await self._writer.run(
            self._noted(
                lambda c: agents.pause(c, name, paused=paused, note=note),
                by,
                action,
                f"agent {name}",
                note,
            ),
            then=kept,
            most=MAX_ORDERS,
        )

    async def forget_agent(
        self, name: str, gone: Callable[[], None], by: Asker | None = None
    ) -> None:
        """Leave an agent out until it registers again; `gone` is called right after the commit.

        Raises NotFound, Conflict while it holds an attempt, and Busy.
        """
        await self._writer.run(
            self._noted(lambda c: agents.forget(c, name), by, "forgot", f"agent {name}"),
            then=lambda _: gone(),
            most=MAX_ORDERS,
        )

    async def revoke_agent(
        self, name: str, kept: Callable[[Saved], None], by: Asker | None = None
    ) -> None:
        """Let nobody in under this name any more; `kept` as above. Raises NotFound, Busy."""
        await self._writer.run(
            self._noted(lambda c: enrolling.revoke(c, name), by, "revoked", f"agent {name}"),
            then=kept,
            most=MAX_ORDERS,
        )

    async def readmit_agent(
        self, name: str, kept: Callable[[Saved], None], by: Asker | None = None
    ) -> None:
        """Let whoever has the token enrol under this name; `kept` as above.

        No credential of that name counts any more. Raises NotFound, Busy.
        """
        await self._writer.run(
            self._noted(lambda c: enrolling.readmit(c, name), by, "readmitted", f"agent {name}"),
            then=kept,
            most=MAX_ORDERS,
        )

    async def enrolments(self) -> tuple[Enrolment, ...]:
        """Return how every agent stands that ever registered."""
        return await self.ask(enrolling.all_enrolments)

    async def agents_seen(self, times: dict[str, datetime]) -> None:
        """Note when each agent was last heard."""
        await self._writer.run(lambda c: agents.seen(c, times), shown=False)

    async def remove(self, numbers: Collection[int]) -> None:
        """Delete builds that have ended; those that have not are left alone."""

        def tell(_result: None) -> None:
            for number in numbers:
                self._changed(number)

        await self._writer.run(lambda c: removal.remove(c, numbers), then=tell)

    async def check_writable(self) -> None:
        """Return if a write works. Raises Busy when too many changes wait for theirs."""
        row = {"id": 1, "checked_at": self._now()}

        def write(connection: Connection) -> None:
            connection.execute(health.delete())
            connection.execute(health.insert().values(**row))

        await self._writer.run(write, shown=False, most=MAX_ORDERS, only_for_caller=True)

    def _noted(
        self,
        work: Callable[[Connection], T],
        by: Asker | None,
        action: str,
        subject: str,
        detail: str = "",
    ) -> Callable[[Connection], T]:
        """Let the audit log tell of `work`, in the same transaction, if a person wants it done."""
        if by is None:
            return work

        def do(connection: Connection) -> T:
            done = work(connection)
            auditlog.note(connection, by, action, subject, self._now(), detail=detail)
            return done

        return do

    def _changed(self, number: int) -> None:
        self._versions.note(number, self.version)
        self._news.changed(number)

    def note_change(self, number: int) -> None:
        """Say that the page of a build has something new to show, which is not in the store."""
        self._versions.note(number, self.version)

    def _accepted(self, build: Build) -> bool:
        """Tell of a build that was accepted; return whether it waits, or was refused."""
        self._changed(build.number)
        self._journal.accepted(build)
        if build.status.ended:
            self._journal.forbidden(build)
        return not build.status.ended

    def _hold(self, build: Build) -> None:
        """Note that a build is in line, but not for agents."""
        if self._accepted(build):
            self._line.add(_place(build))

    def _wait(self, build: Waits) -> None:
        """Note that a build has begun to wait, or may be had now, and tell so."""
        self._line.remove(build.number)
        self._line.add(build)
        self._news.waiting(build.labels)

    def _canceled(self, canceled: Canceled) -> None:
        number = canceled.build.number
        self._changed(number)
        self._journal.canceled(canceled.build, canceled.ids)
        self._line.remove(number)
        for id in canceled.ids:
            self._news.over(id, False)


def _place(build: Build) -> Waits:
    return Waits(build.number, build.priority, Kind.of(build), build.labels)
