"""Who is given what: a job goes only to an agent that has all labels that it asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ci.model import Agent, BuildRequest, Labels, Outcome, Reason, Status
from ci.server.store.store import Store, open_store

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
LOST = Outcome(Status.ERROR, Reason.AGENT_LOST, "Agent one was lost.")
REQUEST = BuildRequest("demo", "/srv/demo", "main", "make test")
AGENT = Agent("one", "h", 1, 1, (), "0", "b", "h", True, False, NOW, NOW)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    """Open a store with one agent, its clock standing still."""
    async with open_store(folder, lambda: NOW) as store:
        await store.save_agent(AGENT)
        yield store


async def test_an_agent_is_given_only_what_it_has_the_labels_for(tmp_path: Path) -> None:
    """The first in line of that; priority and age hold over all sets of labels."""
    async with opened(tmp_path) as store:
        asked: list[tuple[int, Labels]] = [
            (0, ("gpu",)),
            (0, ("linux",)),
            (0, ("gpu", "linux")),
            (3, ()),
            (5, ("arm",)),
            (0, ()),
        ]
        for priority, labels in asked:
            await store.accept(replace(REQUEST, priority=priority, labels=labels))
        taken = []
        for has in ((), ("linux",), ("gpu", "linux"), ("gpu", "linux"), ("linux",)):
            lease = await store.lease("one", has)
            assert lease is not None
            assert set(lease.build.labels) <= set(has)
            taken.append(lease.build.number)
        assert taken == [4, 2, 1, 3, 6]
        assert await store.lease("one", ("gpu", "linux")) is None
        assert store.asked_labels() == {("arm",): 1}
    async with opened(tmp_path) as store:
        assert await store.lease("one", ("gpu", "linux")) is None
        lease = await store.lease("one", ("arm", "linux"))
        assert lease is not None
        assert lease.build.labels == ("arm",), "a restart keeps them"


async def test_what_no_peer_can_take_is_not_left_to_them(tmp_path: Path) -> None:
    """Else it would wait as long as there is anything else to do."""
    async with opened(tmp_path) as store:
        await store.accept(replace(REQUEST, labels=("gpu",)))
        await store.accept(REQUEST)
        lost = await store.lease("one", ("gpu",))
        assert lost is not None
        await store.end(lost.attempt.id, LOST, delivered=False)
        again = await store.lease("one", ("gpu",), has_peers=lambda labels: not labels)
        assert again is not None
        assert again.attempt.id == "1.1.2"
        assert again.build.labels == ("gpu",)
