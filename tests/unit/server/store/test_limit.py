"""How much may wait: for an agent, and for the disk. Whoever is over it is told, at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from ci import blocking
from ci.errors import Busy
from ci.model import Agent, BuildRequest, Outcome, Reason, Status
from ci.server.store.store import Store, open_store
from ci.server.store.writer import MAX_AGENT_ORDERS, MAX_BATCH, MAX_ORDERS

NOW = datetime(2030, 1, 2, tzinfo=UTC)
AGENT = Agent("one", "h", 1, 1, (), "0", "b", "h", True, False, NOW, NOW)
LOST = Outcome(Status.ERROR, Reason.AGENT_LOST, "Agent one was lost.")
REQUEST = BuildRequest("demo", "/srv/demo", "main", "true")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    """Open a store with one agent."""
    async with open_store(folder, lambda: NOW) as store:
        await store.save_agent(AGENT)
        yield store


async def accept_many(store: Store, count: int, limit: int) -> list[int]:
    """Ask for so many builds at the same moment; the numbers of those that were taken."""
    taken = []

    async def ask() -> None:
        with suppress(Busy):
            taken.append((await store.accept(REQUEST, limit)).number)

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(ask)
    return sorted(taken)


@pytest.mark.parametrize("limit", [1, 10, MAX_BATCH + 10])
async def test_of_many_that_come_at_once_none_gets_past_the_limit(
    tmp_path: Path, limit: int
) -> None:
    """Exactly as many as there is room for, and nothing is stored of the others."""
    async with opened(tmp_path) as store:
        assert await accept_many(store, limit + 100, limit) == list(range(1, limit + 1))
        assert (await store.unfinished())[Status.WAITING] == limit
        with pytest.raises(Busy, match="maxWaitingBuilds"):
            await store.accept(REQUEST, limit)
        assert await store.lease("one") is not None
        assert len(await accept_many(store, 50, limit)) == 1


async def test_the_limit_holds_after_a_restart(tmp_path: Path) -> None:
    """What waited on disk counts."""
    async with opened(tmp_path) as store:
        await accept_many(store, 5, 5)
    async with opened(tmp_path) as store:
        with pytest.raises(Busy):
            await store.accept(REQUEST, 5)


async def test_what_waits_again_is_never_refused(tmp_path: Path) -> None:
    """A lease that was not taken, and a lost attempt, go back over any limit; then none comes."""
    async with opened(tmp_path) as store:
        await accept_many(store, 2, 2)
        first, second = await store.lease("one"), await store.lease("one")
        assert first is not None
        assert second is not None
        await accept_many(store, 2, 2)
        await store.put_back(first.attempt.id)
        await store.end(second.attempt.id, LOST, delivered=False)
        assert (await store.unfinished())[Status.WAITING] == 4
        assert await accept_many(store, 5, 2) == []
        assert store.places([1, 2, 3, 4]) == {1: 1, 2: 2, 3: 3, 4: 4}


async def test_what_agents_repeat_does_not_pile_up(tmp_path: Path) -> None:
    """It has a limit of its own: people can't shut out agents, nor they what we have to write."""
    hangs = False

    async def do(work: partial[Any]) -> Any:
        if hangs:
            await trio.sleep_forever()
        return work()

    with blocking.inline(do):
        async with opened(tmp_path) as store, trio.open_nursery() as nursery:
            await accept_many(store, 1, 1)
            lease = await store.lease("one")
            assert lease is not None
            hangs = True
            nursery.start_soon(store.agents_seen, {"one": NOW})
            await trio.testing.wait_all_tasks_blocked()  # the disk is at this one
            for _ in range(MAX_AGENT_ORDERS):
                nursery.start_soon(store.save_agent, AGENT)
            await trio.testing.wait_all_tasks_blocked()
            for ask in (
                partial(store.accept, REQUEST),
                partial(store.save_agent, AGENT),
                partial(store.end, lease.attempt.id, LOST, delivered=True),
            ):
                with pytest.raises(Busy, match="5000 changes wait"):
                    await ask()
            nursery.start_soon(
                store.put_back, lease.attempt.id
            )  # ours waits, whatever waits already
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_a_store_that_cannot_keep_up_says_so(tmp_path: Path) -> None:
    """What people ask for is refused at once when too much waits; our own work never is."""
    asked, refusals = MAX_ORDERS + MAX_BATCH + 100, []
    async with opened(tmp_path) as store:

        async def ask() -> None:
            try:
                await store.accept(REQUEST)
            except Busy as busy:
                refusals.append(busy)

        async with trio.open_nursery() as nursery:
            for _ in range(asked):
                nursery.start_soon(ask)
                nursery.start_soon(store.agents_seen, {"one": NOW})
        assert "can't keep up" in refusals[0].message
        assert (await store.unfinished())[Status.WAITING] + len(refusals) == asked
