"""The forecast: as the queue goes, nobody starts before those in front of him."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ci.server.forecast import DAY, FREE, HOUR, MINUTE, Forecast, in_words, remaining_s, rounded_s

TIMES = st.floats(0, 1e6)
SLOTS = st.lists(TIMES | st.just(math.inf), max_size=8)
BUILDS = st.lists(TIMES | st.just(math.inf), max_size=30)


def starts(slots: list[float], builds: list[float]) -> list[float]:
    """Say when builds start that ask for no label."""
    forecast = Forecast({frozenset(): slots})
    return [forecast.add((), took_s) for took_s in builds]


@given(slots=SLOTS, builds=BUILDS)
def test_who_is_further_back_never_starts_earlier(slots: list[float], builds: list[float]) -> None:
    """Places and times have one order; each build has its time."""
    times = starts(slots, builds)
    assert len(times) == len(builds)
    assert times == sorted(times)


@given(slots=SLOTS, builds=BUILDS)
def test_a_free_slot_is_used_at_once(slots: list[float], builds: list[float]) -> None:
    """As many start now as slots are free; the next one when the first slot is."""
    free = slots.count(0)
    times = starts(slots, builds)
    assert times[:free] == [0] * min(free, len(builds))
    busy = sorted(slots)[free:]
    if busy and free == 0:
        assert times[:1] == busy[: len(times[:1])]


@given(slots=st.lists(TIMES, min_size=1, max_size=8), builds=st.lists(TIMES, max_size=30))
def test_no_slot_does_two_builds_at_once(slots: list[float], builds: list[float]) -> None:
    """At no moment do more builds run than there are slots, with what they run already."""
    times = starts(slots, builds)
    spans = [(0.0, slot) for slot in slots if slot] + [
        (at, at + took) for at, took in zip(times, builds, strict=True) if took
    ]
    for moment in times:
        assert sum(begin <= moment < end for begin, end in spans) <= len(slots)


@given(slots=SLOTS, builds=BUILDS, more=TIMES)
def test_one_slot_more_delays_nobody(slots: list[float], builds: list[float], more: float) -> None:
    """And so does a build that takes less."""
    before, after = starts(slots, builds), starts([*slots, more], builds)
    assert all(new <= old for old, new in zip(before, after, strict=True))


@given(slots=SLOTS, builds=BUILDS, further=BUILDS)
def test_what_comes_later_delays_nobody(
    slots: list[float], builds: list[float], further: list[float]
) -> None:
    """Only those in front count."""
    assert starts(slots, [*builds, *further])[: len(builds)] == starts(slots, builds)


def test_without_a_slot_nobody_knows() -> None:
    """Nor behind what nobody knows the duration of."""
    assert starts([], [1, 1]) == [math.inf, math.inf]
    assert starts([5], [math.inf, 1]) == [5, math.inf]
    assert starts([math.inf, 5], [1, 1]) == [5, 6]


def test_two_slots_by_hand() -> None:
    """The one of the example in the documentation."""
    assert starts([240, 60], [300, 30, 100]) == [60, 240, 270]


def test_a_build_waits_only_for_agents_that_have_its_labels() -> None:
    """Whoever asks for something else is not in its way; what nobody has never starts."""
    gpu, plain = frozenset({"gpu", "linux"}), frozenset({"linux"})
    forecast = Forecast({gpu: [500.0], plain: [100.0, FREE]})
    asked = [("linux",), ("gpu",), ("arm",), ("linux",), ("linux",), ("gpu", "linux")]
    found = [forecast.add(labels, 50) for labels in asked]
    assert found == [FREE, 500, math.inf, 50, 100, 550]
    assert forecast.next_s(("linux",)) == 100
    assert forecast.next_s(("arm",)) == math.inf


def test_of_free_slots_that_of_who_can_do_the_least_is_taken() -> None:
    """As the queue does; the other one is there for who asks for it."""
    forecast = Forecast({frozenset({"gpu"}): [FREE], frozenset(): [FREE]})
    assert [forecast.add((), 50), forecast.add(("gpu",), 50)] == [FREE, FREE]


@given(usual=TIMES, first=TIMES, later=TIMES)
def test_what_runs_ends_in_the_future(usual: float, first: float, later: float) -> None:
    """Also when it has run longer than usual; and the less, the longer it has run in time."""
    assume(first <= later)
    assert remaining_s(usual, first) >= 0
    if later < usual:
        assert remaining_s(usual, first) >= remaining_s(usual, later)
    assert remaining_s(usual, -5) == usual
    assert remaining_s(None, first) == math.inf


def test_what_runs_far_longer_than_usual_tells_nothing() -> None:
    """It may hang; but a minute may be the network's."""
    assert remaining_s(100, 299) < math.inf
    assert remaining_s(100, 301) == math.inf
    assert remaining_s(0.1, 60) < math.inf
    assert remaining_s(0.1, 61) == math.inf


@example(71)  # words tell no seconds beyond a minute
@example(90)
@given(seconds=st.floats(0, 1e7))
def test_what_is_said_is_near_and_does_not_change_each_second(seconds: float) -> None:
    """Within five seconds of the next minute, half a minute of the next hour, then an eighth."""
    rounded = rounded_s(seconds)
    assert rounded is not None
    assert abs(rounded - seconds) <= max(5 if seconds < 60 else 30, seconds / 8)
    assert rounded % 10 == 0
    assert rounded_s(math.inf) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "in less than a minute"),
        (50, "in less than a minute"),
        (MINUTE, "in about 1 min"),
        (HOUR - MINUTE, "in about 59 min"),
        (HOUR, "in about 1 h"),
        (HOUR + 15 * MINUTE, "in about 1 h 15 min"),
        (DAY, "in about 24 h"),
        (DAY + HOUR, "in more than a day"),
    ],
)
def test_times_in_words(seconds: int, words: str) -> None:
    """As one would say it."""
    assert in_words(seconds) == words
