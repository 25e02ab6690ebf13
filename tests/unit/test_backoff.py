"""How long to wait before the next try."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from ci.backoff import CAP_S, FIRST_S, delays


def test_the_bound_doubles_up_to_the_cap() -> None:
    """Half a second first, thirty seconds at most, for ever."""
    bounds = list(islice(delays(jitter=lambda: 1.0), 9))
    assert bounds == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_a_wait_is_a_part_of_its_bound(parts: list[float]) -> None:
    """Whatever the dice say, nobody waits longer than the bound, nor less than no time."""
    dice = iter(parts)
    waits = list(islice(delays(jitter=lambda: next(dice)), len(parts)))
    for tries, (part, wait) in enumerate(zip(parts, waits, strict=True)):
        assert wait == min(FIRST_S * 2**tries, CAP_S) * part


def test_agents_do_not_come_back_at_the_same_moment() -> None:
    """The default is random."""
    assert len({next(delays()) for _ in range(20)}) > 1


def test_other_bounds_may_be_given() -> None:
    """The caller knows what it waits for."""
    assert list(islice(delays(0.1, 0.3, lambda: 1.0), 4)) == [0.1, 0.2, 0.3, 0.3]
