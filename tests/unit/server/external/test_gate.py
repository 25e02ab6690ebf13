"""All wait for the storage alone, and not for what one build is answered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest
import trio
from trio.testing import MockClock

from ci.server.external.client import StorageFailed
from ci.server.external.gate import IN_A_ROW, THE_LIST, Gate

BUILD = 7


def _waits() -> Iterator[float]:
    return repeat(1.0)


@pytest.mark.parametrize(
    ("error", "about", "shuts"),
    [
        (StorageFailed("can't connect", sent=False), BUILD, True),
        (StorageFailed("busy", status=429, retry_after_s=9), BUILD, True),
        (StorageFailed("busy", status=429), BUILD, False),
        (StorageFailed("odd", status=500, retry_after_s=9), BUILD, False),
        (StorageFailed("token", status=401, refused=True), THE_LIST, True),
        (StorageFailed("a word in its log", status=403, refused=True), BUILD, False),
        (StorageFailed("broken"), BUILD, False),
        (StorageFailed("broken"), THE_LIST, False),
    ],
)
async def test_what_shuts_it(
    autojump_clock: MockClock, error: StorageFailed, about: int, shuts: bool
) -> None:
    """And for how long."""
    gate = Gate(_waits)
    assert gate.failed(error, about) == shuts
    await gate.wait_open()
    assert trio.current_time() == (error.retry_after_s or 1.0 if shuts else 0.0)


async def test_whatever_fails_in_a_row_shuts_it(autojump_clock: MockClock) -> None:
    """But not all calls of one build, and not where others work."""
    gate = Gate(_waits)
    error = StorageFailed("no", status=500)
    assert not any(gate.failed(error, BUILD) for _ in range(100))
    assert gate.failed(error, BUILD + 1)
    assert gate.failed(error, BUILD), "it was under way"
    gate.worked()
    several = [gate.failed(error, about) for about in range(IN_A_ROW)]
    assert several == [False] * (IN_A_ROW - 1) + [True]
