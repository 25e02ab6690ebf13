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
        (Rules(builds=3, days=0.5), (RED, RED, RED, RED), [3, 2, 1]),
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
