"""Make the old data folder that belongs to the present schema: `python -m tests.old.make`.

Run it once for each new schema and commit what it writes; the folders of earlier schemas are
never touched again. `tests/unit/server/store/test_upgrade.py` opens each of them.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import trio

from ci.model import Agent, Attempt, BuildRequest, CommitInfo, Labels, Outcome, Reason, Status
from ci.origin import Origin, Report
from ci.server.logs import Logs
from ci.server.store.database import FILE_NAME
from ci.server.store.store import Store, open_store
from ci.server.store.tables import SCHEMA
from tests.old.folder import OLD, look, unpack

BEGIN: Final = datetime(2026, 11, 22, 8, 30, 0, 123456, tzinfo=UTC)
LOST: Final = Outcome(Status.ERROR, Reason.AGENT_LOST, "Agent oak has not answered for 30 s.")


def _clock() -> Iterator[datetime]:
    """A second later each time."""
    now = BEGIN
    while True:
        yield now
        now += timedelta(seconds=1)


class _Maker:
    def __init__(self, store: Store, logs: Logs) -> None:
        self.store = store
        self.logs = logs

    async def agent(self, name: str, port: int, *, native: bool = True) -> None:
        """Let an agent be known."""
        labels = ("linux", "gpu") if native else ()
        boot, home = (f"boot-{name}", f"home-{name}") if native else ("", "")
        version = "0.1.0" if native else ""
        agent = Agent(
            name, "10.0.0.7", port, 2, labels, version, boot, home, native, False, BEGIN, BEGIN
        )
        await self.store.save_agent(agent)

    async def build(self, command: str, priority: int = 0, labels: Labels = ()) -> int:
        """Ask for a build."""
        request = BuildRequest("demo", "/srv/git/demo", "main", command, priority, labels)
        return (await self.store.accept(request)).number

    async def take(self, command: str, number: int, labels: Labels = ()) -> Report:
        """Take a build of an external storage."""
        id = f"00000000-0000-4000-8000-{number:012}"
        origin = Origin(id, "conf", number, "Fix the ünïcode", "main", "Ada <ada@example.org>")
        request = BuildRequest("demo", "/srv/git/demo", "main", command, 0, labels)
        build = await self.store.inbox.take(origin, request)
        assert build is not None
        return (await self.store.inbox.reports([build.number]))[build.number]

    async def lease(self, agent: str, printed: bytes) -> Attempt:
        """Give the next build to an agent, which prints something."""
        lease = await self.store.lease(agent, ("gpu", "linux"))
        assert lease is not None
        await self.store.note_commit(
            lease.attempt.id,
            CommitInfo("1f" * 20, "Fix the ünïcode", "Ada <ada@example.org>", "main"),
        )
        await self.logs.append(lease.attempt.id, 0, printed)
        return lease.attempt

    async def end(self, attempt: Attempt, outcome: Outcome) -> None:
        """End an attempt, with its whole log."""
        log = await self.logs.seal(attempt.id, None, outcome.log_size, None)
        outcome = replace(outcome, log_size=log.size, log_sha256=log.sha256)
        await self.store.end(attempt.id, outcome, delivered=True)

    async def lose(self, attempt: Attempt) -> None:
        """Give an attempt up."""
        await self.store.end(attempt.id, LOST, delivered=False)


def _exited(code: int, size: int) -> Outcome:
    status = Status.SUCCESS if code == 0 else Status.FAILURE
    return Outcome(
        status,
        Reason.EXITED,
        exit_code=code,
        duration_s=2.5,
        log_size=size,
        message="",
        checkout_s=0.5,
    )


async def _fill(folder: Path) -> None:
    """Make a build in every status, by every way that leads there."""
    clock = _clock()
    async with open_store(folder, lambda: next(clock)) as store:
        make = _Maker(store, Logs(folder / "logs"))
        await make.agent("oak", 8081)
        await make.agent("elm", 8082)
        await make.agent("other", 9000, native=False)
        await store.pause_agent("elm", paused=True, note="its disk is being changed")

        taken = await make.take("make good", 1)
        await store.inbox.starting(taken, BEGIN)
        await store.inbox.started(taken)
        await make.end(await make.lease("oak", b"good\n\xff\x00"), _exited(0, 7))
        await store.inbox.close(taken, "")
        await make.build("make bad", priority=5)
        await make.end(await make.lease("other", b"\x1b[31mbad\x1b[0m\n"), _exited(2, 13))
        await make.build("make three agents mad", labels=("gpu", "linux"))
        for agent in ("oak", "elm", "oak"):
            await make.lose(await make.lease(agent, b"begin"))
        await make.build("make again")
        await make.lose(await make.lease("oak", b"half"))
        await make.end(await make.lease("elm", b"whole"), _exited(0, 5))
        canceled = await make.build("make nothing")
        await store.cancel(canceled)
        canceled = await make.build("make nothing more")
        await make.lease("elm", b"some")
        await store.cancel(canceled)
        late = Outcome(Status.ERROR, Reason.TIMEOUT, "It took longer than 7200 s.", log_size=4)
        await make.build("make it last", priority=-3)
        slow = await make.lease("oak", b"slow")
        await store.note_cut(slow.id, 2)
        await make.end(slow, late)
        await make.build("make it run")
        await make.lease("oak", b"so far\n")
        await make.build("make it wait again")
        await make.lose(await make.lease("elm", b""))
        await make.take("make it wait", 2, labels=("linux",))
        await store.check_writable()
        # The last number is in no row any more: it must not be given again.
        gone = await make.build("make it gone")
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute("DELETE FROM jobs WHERE build = ?", (gone,))
        connection.execute("DELETE FROM builds WHERE number = ?", (gone,))


async def _main() -> None:
    target = OLD / SCHEMA
    with TemporaryDirectory() as name:
        folder = Path(name)
        await _fill(folder)
        target.mkdir()  # an old folder is never written twice
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            (target / "ci.sql").write_text("\n".join(connection.iterdump()) + "\n", "utf-8")
        shutil.copytree(folder / "logs", target / "logs")
    with TemporaryDirectory() as name:
        seen = await look(unpack(SCHEMA, Path(name)))
        text = json.dumps(seen, indent=1, ensure_ascii=False)
        (target / "seen.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    trio.run(_main)
