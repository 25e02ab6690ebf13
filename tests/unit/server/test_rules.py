"""The rules: what no rule keeps goes, nothing else does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.config import ServerConfig
from ci.model import Status
from ci.server.rules import Rules, Sieve
from ci.server.store.removal import EndedBuild

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def _gone(rules: Rules, history: Sequence[EndedBuild], sizes: Mapping[int, int]) -> list[int]:
    sieve = Sieve(rules, NOW)
    return [build.number for build in history if sieve.goes(build, sizes[build.number])]


def _history(*statuses: Status) -> list[EndedBuild]:
    """Builds that ended one each day, the newest today."""
    count = len(statuses)
    return [
        EndedBuild(count - ago, "demo", status, NOW - timedelta(days=ago))
        for ago, status in enumerate(statuses)
    ]


RED, GREEN = Status.FAILURE, Status.SUCCESS


@pytest.mark.parametrize(
    ("rules", "statuses", "gone"),
    [
        (Rules(builds=2), (RED, RED, RED, RED), [2, 1]),
        (Rules(builds=2), (RED, RED, GREEN, RED), [1]),
        (Rules(builds=1), (GREEN, GREEN), [1]),
        (Rules(days=1.5), (RED, RED, RED, RED), [2, 1]),
        (Rules(days=1.5), (RED, RED, RED, GREEN), [2]),
        (Rules(days=2), (RED, RED, RED), []),
        (Rules(log_bytes=200), (RED, RED, RED, RED), [2, 1]),
        (Rules(log_bytes=200), (RED, RED, GREEN, RED), [1]),
        (Rules(log_bytes=1), (RED, RED), [1]),
        (Rules(builds=3, days=1.5), (RED, RED, RED, RED), [2, 1]),
        (Rules(builds=1, days=9, log_bytes=10**9), (GREEN, RED), [1]),
        (Rules(), (RED,) * 50, []),
    ],
)
def test_a_build_goes_as_soon_as_one_rule_says_so(
    rules: Rules, statuses: tuple[Status, ...], gone: list[int]
) -> None:
    """The oldest go first; each log has 100 bytes; the last green one stays."""
    history = _history(*statuses)
    sizes = {build.number: 100 for build in history}
    assert _gone(rules, history, sizes) == gone


@given(
    statuses=st.lists(st.sampled_from([RED, GREEN, Status.CANCELED, Status.ERROR]), max_size=12),
    rules=st.builds(
        Rules,
        st.none() | st.integers(1, 12),
        st.none() | st.floats(0.1, 12),
        st.none() | st.floats(1, 999),
    ),
)
def test_whatever_the_rules_are_the_last_green_one_stays(
    statuses: list[Status], rules: Rules
) -> None:
    """And once they have been kept to, there is nothing more to remove."""
    history = _history(*statuses)
    sizes = {build.number: 37 * build.number for build in history}
    gone = set(_gone(rules, history, sizes))
    greens = [build.number for build in history if build.status is GREEN]
    assert not greens or max(greens) not in gone
    left = [build for build in history if build.number not in gone]
    assert not _gone(rules, left, sizes)


def test_without_settings_all_is_kept() -> None:
    """Nobody loses a build who has not asked for it."""
    assert Rules.of(ServerConfig.check({})).keep_all
    asked = ServerConfig.check({"keepBuilds": 5, "keepDays": 1.5, "keepGigabytes": 0.25})
    assert Rules.of(asked) == Rules(5, 1.5, 250_000_000)


def _ended_at(times: Sequence[datetime]) -> list[EndedBuild]:
    count = len(times)
    return [EndedBuild(count - place, "demo", RED, time) for place, time in enumerate(times)]


def _gone_at(now: datetime, days: float, history: Sequence[EndedBuild]) -> tuple[list[int], int]:
    """Return the numbers that go by age, and how many are spared because of the clock."""
    sieve = Sieve(Rules(days=days), now)
    return [build.number for build in history if sieve.goes(build, 0)], sieve.spared


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=12),
    st.lists(st.floats(0, 0.9), max_size=5),
    st.floats(8.1, 9999),
)
def test_a_clock_that_is_years_ahead_removes_nothing(
    pauses: list[float], since: list[float], leap: float
) -> None:
    """Neither at a start, nor when builds have ended by the wrong clock for less than a day."""
    wrong = NOW + timedelta(days=leap)
    times = sorted((wrong - timedelta(days=ago) for ago in since), reverse=True)
    time = NOW
    for pause in pauses:
        time -= timedelta(days=pause)
        times.append(time)
    assert _gone_at(wrong, 7, _ended_at(times)) == ([], len(pauses))


@given(st.lists(st.floats(0, 2), min_size=1, max_size=30), st.floats(2, 9))
def test_where_builds_end_now_and_then_the_clock_is_believed(
    pauses: list[float], days: float
) -> None:
    """Then exactly what is older than the rule says goes."""
    times = []
    time = NOW
    for pause in pauses:
        time -= timedelta(days=pause)
        times.append(time)
    history = _ended_at(times)
    oldest = NOW - timedelta(days=days)
    expected = [build.number for build in history if build.finished_at < oldest]
    assert _gone_at(NOW, days, history) == (expected, 0)


@pytest.mark.parametrize("days", [0.5, 30, 1000])
def test_after_a_long_holiday_old_builds_go_when_builds_have_ended_for_a_while(days: float) -> None:
    """A day, or half of what is kept if that is shorter; the time of no build is no reason."""
    before = NOW - timedelta(days=3 * days)
    doubt = timedelta(days=min(1, days / 2))
    first = NOW - doubt
    history = _ended_at([NOW, first, before])
    assert _gone_at(NOW, days, history) == ([1], 0)
    history = _ended_at([NOW, first + timedelta(seconds=1), before])
    assert _gone_at(NOW, days, history) == ([], 1)
