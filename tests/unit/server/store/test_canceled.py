"""The log of a canceled attempt: open until its agent has brought the end of it, or is given up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ci.errors import Conflict, GivenUp
from ci.model import Status
from ci.server.store.store import News, Store
from tests.unit.server.store.test_store import GOOD, LOST, REQUEST, lease, opened


async def test_a_canceled_attempt_gets_the_end_of_its_log_and_nothing_else(tmp_path: Path) -> None:
    """Once; a repeat is fine; whatever its agent says of its end, it is canceled."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        attempt = await lease(store)
        await store.cancel(1)
        told: list[tuple[str, bool]] = []
        store.tell(News(waiting=lambda _labels: None, over=lambda *said: told.append(said)))
        canceled, build = await store.attempt(attempt.id), await store.build(1)
        assert canceled is not None
        assert [each.id for each in await store.held("one")] == [attempt.id]
        assert await store.current() == {}
        said = replace(GOOD, log_size=7, log_sha256="f" * 64)
        for _ in ("first", "again"):
            await store.end(attempt.id, said, delivered=True)
        whole = replace(canceled, log_size=7, log_sha256="f" * 64, log_open=False)
        assert await store.attempt(attempt.id) == whole
        assert await store.build(1) == build
        assert told == [(attempt.id, True)] * 2
        assert await store.held("one") == ()
        for outcome in (replace(said, log_size=8), LOST):
            with pytest.raises(GivenUp):
                await store.end(attempt.id, outcome, delivered=True)


# What is done, and what is known of the log's size then.
GIVE_UP: dict[str, tuple[Callable[[Store, str], Awaitable[object]], int | None]] = {
    "agent lost": (lambda store, attempt: store.end(attempt, LOST, delivered=False), None),
    "never handed over": (lambda store, attempt: store.put_back(attempt), 0),
}


@pytest.mark.parametrize("why", GIVE_UP)
async def test_the_log_of_a_canceled_attempt_is_given_up(tmp_path: Path, why: str) -> None:
    """With its agent, or because that never had it: its page is told, what comes later refused."""
    give_up, size = GIVE_UP[why]
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        attempt = await lease(store)
        await store.cancel(1)
        build, before = await store.build(1), store.version_of(1)
        await give_up(store, attempt.id)
        assert store.version_of(1) != before
        assert await store.build(1) == build
        kept = await store.attempt(attempt.id)
        assert kept is not None
        assert (kept.status, kept.log_open, kept.log_size) == (Status.CANCELED, False, size)
        with pytest.raises(GivenUp):
            await store.end(attempt.id, replace(GOOD, log_size=7), delivered=True)
        assert not store.places([1]), "it does not wait again"


async def test_an_agent_is_not_forgotten_while_it_owes_the_end_of_a_log(tmp_path: Path) -> None:
    """Nobody would ever give it up."""
    async with opened(tmp_path) as store:
        await store.accept(REQUEST)
        attempt = await lease(store)
        await store.cancel(1)
        with pytest.raises(Conflict, match=attempt.id):
            await store.forget_agent("one", lambda: None)
        await store.end(attempt.id, LOST, delivered=False)
        await store.forget_agent("one", lambda: None)
