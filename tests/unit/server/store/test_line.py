"""The line in memory is the line in the store, whatever happened."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ci import blocking
from ci.errors import Conflict, NotFound
from ci.model import Agent, BuildRequest, Kind, Labels, Lease, Outcome, Reason, Status
from ci.server.store.line import Line, Waits, read_line
from ci.server.store.store import Store, open_store

NOW = datetime(2030, 1, 2, tzinfo=UTC)
AGENT = Agent("one", "h", 1, 1, (), "0", "b", "h", True, False, NOW, NOW)
GOOD = Outcome(Status.SUCCESS, Reason.EXITED, exit_code=0, log_size=0)
LOST = Outcome(Status.ERROR, Reason.AGENT_LOST, "Agent one was lost.")

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["accept", "accept", "lease", "put back", "lose", "end", "cancel", "move to front"]
        ),
        st.integers(-2, 2),
    ),
    max_size=40,
)


LABELS: list[Labels] = [(), ("gpu",), ("gpu", "linux")]


@given(priorities=st.dictionaries(st.integers(1, 99), st.integers(-3, 3)))
def test_places_follow_priority_and_age(priorities: dict[int, int]) -> None:
    """Whoever asks, of all or of one."""
    line = Line()
    for number, priority in priorities.items():
        line.add(Waits(number, priority, Kind("demo", f"make {number}")))
    order = sorted(priorities, key=lambda number: (-priorities[number], number))
    assert line.places(range(200)) == {number: n for n, number in enumerate(order, 1)}
    assert len(line) == len(priorities)
    assert [each.number for each in line.first(3)] == order[:3]
    for number in order[::2]:
        line.remove(number)
        line.remove(number)
    assert line.places(order) == {number: n for n, number in enumerate(order[1::2], 1)}


@given(waiting=st.dictionaries(st.integers(1, 30), st.sampled_from(LABELS)))
def test_a_place_among_some_is_that_without_the_others(waiting: dict[int, Labels]) -> None:
    """Those that ask for other labels might as well not be there."""
    rivals = LABELS[:2]
    line = Line([Waits(number, 0, Kind(), labels) for number, labels in waiting.items()])
    for number, labels in waiting.items():
        before = [each for each in waiting if each < number]
        assert line.place_among(number, rivals) == 1 + sum(waiting[n] in rivals for n in before)
        assert line.place_among_alike(number) == 1 + sum(waiting[n] == labels for n in before)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(steps=STEPS)
def test_the_line_is_that_of_the_store(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """After any order of events, places and count are what a restart would read."""
    folder = tmp_path_factory.mktemp("store")
    with blocking.inline():
        trio.run(_take_steps, folder, steps)


async def _take_steps(folder: Path, steps: list[tuple[str, int]]) -> None:
    async with open_store(folder, lambda: NOW) as store:
        await store.save_agent(AGENT)
        leases: list[Lease] = []
        for step, choice in steps:
            await _take(store, leases, step, choice)
            fresh = read_line(store._reader)
            numbers = range(1, len(steps) + 1)
            assert store.places(numbers) == fresh.places(numbers)
            assert store.line(99) == fresh.first(99)
            assert store.asked_labels() == fresh.asked()
            counts = await store.unfinished()
            assert (counts[Status.WAITING], counts[Status.RUNNING]) == (len(fresh), len(leases))


async def _take(store: Store, leases: list[Lease], step: str, choice: int) -> None:
    if step == "accept":
        labels = LABELS[choice % len(LABELS)]
        await store.accept(
            BuildRequest("demo", "/srv/demo", "main", f"make {choice}", choice, labels)
        )
    elif step == "lease":
        has = LABELS[choice % len(LABELS)]
        able = [each.number for each in store.line(99) if set(each.labels) <= set(has)]
        lease = await store.lease("one", has)
        leases.extend([lease] if lease else [])
        assert [lease.build.number] == able[:1] if lease else not able
    elif step == "move to front":
        number = 3 + choice
        with suppress(Conflict, NotFound):
            await store.move_to_front(number)
            assert store.places([number]) == {number: 1}
    elif step == "cancel":
        number = 3 + choice
        with suppress(Conflict, NotFound):  # and then it holds no lease
            await store.cancel(number)
        leases[:] = [lease for lease in leases if lease.build.number != number]
    elif leases:
        id = leases.pop(choice % len(leases)).attempt.id
        if step == "put back":
            await store.put_back(id)
        else:
            await store.end(id, LOST if step == "lose" else GOOD, delivered=True)
