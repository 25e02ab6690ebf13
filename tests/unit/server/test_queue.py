"""The queue: a free slot gets work at once, nothing is taken twice, no wake is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ci.model import Attempt, Build, Labels, Lease, Status
from ci.server.queue import Queue
from ci.server.store.store import Store

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BUILD = Build(1, "demo", "/srv/demo", "main", "true", 0, Status.RUNNING, NOW)
ATTEMPT = Attempt("1.1.1", 1, 1, 1, "one", Status.RUNNING, NOW)


class FakeStore:
    """As much of the store as the queue asks, with a delay in which things may happen."""

    def __init__(self) -> None:
        self.waiting: deque[int] = deque()
        self.labels: dict[int, Labels] = {}  # of builds that ask for some
        self.put_back_ids: list[str] = []

    async def lease(
        self,
        agent: str,
        labels: frozenset[str],
        *,
        has_peers: Callable[[Labels], bool],  # noqa: ARG002  as the store
    ) -> Lease | None:
        """Give the next number that asks for none but these labels."""
        asked = {number: self.labels.get(number, ()) for number in self.waiting}
        number = next((n for n in self.waiting if labels.issuperset(asked[n])), None)
        if number is not None:
            self.waiting.remove(number)
        await trio.sleep(0.01)  # the answer is on its way
        if number is None:
            return None
        attempt = replace(ATTEMPT, id=f"{number}.1.1", build=number, agent=agent)
        return Lease(attempt, replace(BUILD, number=number, labels=asked[number]))

    async def put_back(self, id: str) -> None:
        """Take it back."""
        await trio.sleep(0.01)
        self.put_back_ids.append(id)
        self.waiting.appendleft(int(id.split(".", maxsplit=1)[0]))


class FakeTaker:
    """An agent that takes work while `accepting`."""

    def __init__(self, name: str = "one", *labels: str) -> None:
        self.name = name
        self.labels = frozenset(labels)
        self.accepting = True
        self.taken: list[int] = []

    def has_peers(self, labels: Labels) -> bool:  # noqa: ARG002  as the agent
        """Have none."""
        return False

    async def wait_accepting(self) -> None:
        """Block until it takes work."""
        while not self.accepting:
            await trio.sleep(1)

    async def take_one(self, queue: Queue) -> None:
        """Take a job and keep it."""
        async with queue.lease(self) as hold:
            hold.taken = True
            self.taken.append(hold.lease.build.number)


def make_queue(store: FakeStore) -> Queue:
    """Make a queue over the fake."""
    return Queue(cast(Store, store), begin_log=lambda _id: None)


async def test_free_slots_get_work_at_once(autojump_clock: MockClock) -> None:
    """Those who were free first, first; nobody polls."""
    store, takers = FakeStore(), [FakeTaker(str(n)) for n in range(3)]
    queue = make_queue(store)
    async with trio.open_nursery() as nursery:
        for taker in takers:
            nursery.start_soon(taker.take_one, queue)
            await trio.sleep(1)
        start = trio.current_time()
        for number in (1, 2, 3):
            store.waiting.append(number)
            queue.wake(())
            await trio.sleep(1)
    assert [taker.taken for taker in takers] == [[1], [2], [3]]
    assert trio.current_time() - start < 3.1


async def test_a_build_that_comes_while_the_store_is_asked_is_not_missed(
    autojump_clock: MockClock,
) -> None:
    """The store said "none", and before the slot parks one came in."""
    store, taker = FakeStore(), FakeTaker()
    queue = make_queue(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(taker.take_one, queue)
        await trio.sleep(0.005)  # the store has said "none", the slot is not parked yet
        store.waiting.append(7)
        queue.wake(())
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert taker.taken == [7]


async def test_a_wake_that_cannot_be_used_is_passed_on(autojump_clock: MockClock) -> None:
    """A slot whose agent was paused, or is canceled just now, does not swallow it."""
    for end in ("pause", "cancel"):
        store, first, second = FakeStore(), FakeTaker("first"), FakeTaker("second")
        queue = make_queue(store)
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def take(scope: trio.CancelScope, taker: FakeTaker, queue: Queue) -> None:
                with scope:
                    await taker.take_one(queue)

            nursery.start_soon(take, scope, first, queue)
            await wait_all_tasks_blocked()
            await trio.sleep(1)
            nursery.start_soon(second.take_one, queue)
            await trio.sleep(1)
            store.waiting.append(1)
            if end == "pause":
                first.accepting = False
                queue.wake(())
            else:
                queue.wake(())
                scope.cancel()
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert second.taken == [1]


async def test_a_lease_that_nobody_took_is_put_back(autojump_clock: MockClock) -> None:
    """However the block ends: an error, or a cancel between lease and hand-over."""
    store, taker = FakeStore(), FakeTaker()
    queue = make_queue(store)
    store.waiting.append(1)
    with pytest.raises(ValueError, match="no"):
        async with queue.lease(taker):
            raise ValueError("no")
    assert store.put_back_ids == ["1.1.1"]

    with trio.move_on_after(0.005) as scope:  # while the store is being asked
        async with queue.lease(taker):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert store.put_back_ids == ["1.1.1", "1.1.1"]
    assert list(store.waiting) == [1]


async def test_a_build_wakes_only_who_has_its_labels(autojump_clock: MockClock) -> None:
    """Whoever waits longer stays where he is; what nobody can take wakes nobody."""
    store, plain = FakeStore(), FakeTaker("plain")
    able = [FakeTaker(str(n), "gpu", "linux") for n in range(2)]
    queue = make_queue(store)
    store.labels = {1: ("gpu",), 2: ("arm",), 3: ("gpu", "linux"), 4: ()}
    async with trio.open_nursery() as nursery:
        for taker in (plain, *able):
            nursery.start_soon(taker.take_one, queue)
            await trio.sleep(1)
        for number, labels in store.labels.items():
            store.waiting.append(number)
            queue.wake(labels)
            await trio.sleep(1)
    assert (plain.taken, [taker.taken for taker in able]) == ([4], [[1], [3]])
    assert list(store.waiting) == [2]


async def test_who_can_do_less_is_woken_first(autojump_clock: MockClock) -> None:
    """A build that asks for nothing leaves the agent with a label to one that does."""
    store, able, plain = FakeStore(), FakeTaker("able", "gpu"), FakeTaker("plain")
    queue = make_queue(store)
    async with trio.open_nursery() as nursery:
        for taker in (able, plain):
            nursery.start_soon(taker.take_one, queue)
            await trio.sleep(1)
        store.waiting.append(1)
        queue.wake(())
        await trio.sleep(1)
        assert (able.taken, plain.taken) == ([], [1])
        nursery.cancel_scope.cancel()


async def test_who_takes_something_else_wakes_another_one(autojump_clock: MockClock) -> None:
    """Of two who come at once, one takes what the other one was woken for; no slot stays free."""
    store = FakeStore()
    both, gpu, linux = (
        FakeTaker("both", "gpu", "linux"),
        FakeTaker("gpu", "gpu"),
        FakeTaker("linux"),
    )
    linux.labels = frozenset({"linux", "slow", "old"})
    queue = make_queue(store)
    store.labels = {1: ("gpu",), 2: ("linux",)}
    async with trio.open_nursery() as nursery:
        for taker in (both, gpu, linux):
            nursery.start_soon(taker.take_one, queue)
            await trio.sleep(1)
        store.waiting.extend([1, 2])
        queue.wake(("linux",))  # which wakes `both`, who takes build 1
        await trio.sleep(1)
        assert (both.taken, linux.taken) == ([1], [2])
        nursery.cancel_scope.cancel()
