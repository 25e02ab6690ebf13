"""Which builds are worked on: ends first, then starts in line, as many as there are slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ci.server.external.track import UNSURE_S, UNSURE_TRIES, Track, choose, next_at

NOW = 100.0
INF = float("inf")


def _track(**state: Any) -> Track:
    track = Track(1024, None)
    for name, value in state.items():
        setattr(track, name, value)
    return track


def _choose(tracks: Mapping[int, Track], *, calls: int = 4, slots: int = 1) -> list[int]:
    def places(numbers: list[int]) -> dict[int, int]:
        return {number: -number for number in numbers}  # the newest first: they were moved

    return choose(tracks, places, calls=calls, slots=slots, now=NOW)


def test_starts_need_slots_and_go_by_their_place_in_line() -> None:
    """What needs no slot comes first."""
    tracks = {n: _track(needs_slot=n < 4) for n in range(1, 6)}
    assert _choose(tracks) == [4, 5, 3]
    assert _choose(tracks, slots=0) == [4, 5]
    assert _choose(tracks, slots=3, calls=3) == [4, 5, 3]


@pytest.mark.parametrize(
    ("state", "free"),
    [
        ({"at_work": True, "has_slot": True}, 0),
        ({"at_work": True}, 1),
        ({"next_at": NOW + 1, "unsure_until": NOW + 5}, 0),
        ({"next_at": NOW + 1, "unsure_until": NOW}, 1),
        ({"next_at": NOW + 1}, 1),
        ({"is_due": False}, 1),
    ],
)
def test_a_slot_that_may_be_needed_is_no_longer_free(state: dict[str, Any], free: int) -> None:
    """Also where the answer to a start was lost, for a while."""
    tracks = {1: _track(**state), 2: _track(needs_slot=True)}
    assert _choose(tracks) == [2] * free


def test_who_may_have_begun_gets_its_slot_first() -> None:
    """Nobody else is told to begin with it."""
    unsure = _track(needs_slot=True, unsure_until=NOW + 5)
    assert _choose({1: unsure, 2: _track(needs_slot=True)}) == [1]


def test_a_start_that_is_refused_again_and_again_keeps_no_slot() -> None:
    """After some tries; what was told makes it forget them."""
    track = _track()
    for _ in range(UNSURE_TRIES):
        track.begins(NOW)
        assert track.unsure_until == NOW + UNSURE_S
        track.failed("no")
        track.unsure_until = -INF
    track.begins(NOW)
    assert track.unsure_until == -INF
    track.advanced()
    track.begins(NOW)
    assert track.unsure_until == NOW + UNSURE_S


def test_the_next_time_to_look_again() -> None:
    """Of a try, or when a slot is free after all; never one that is past."""
    assert next_at({1: _track(), 2: _track(is_due=False, next_at=NOW + 1)}, NOW) == INF
    assert next_at({1: _track(next_at=NOW + 9, unsure_until=NOW + 5)}, NOW) == NOW + 5
    assert next_at({1: _track(next_at=NOW + 9, unsure_until=NOW - 5)}, NOW) == NOW + 9
