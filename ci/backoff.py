"""How long to wait before the next try."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

FIRST_S = 0.5  # a restart of the other side takes about this long
CAP_S = 30.0  # a person who mends something should not wait longer than this


def delays(
    first_s: float = FIRST_S,
    cap_s: float = CAP_S,
    jitter: Callable[[], float] = random.random,
) -> Iterator[float]:
    """Yield, for ever, the seconds to wait before each next try.

    The bound doubles from `first_s` to `cap_s`; the wait is a random part of it ("full jitter"),
    so that many agents do not come back at the same moment. `jitter` returns 0.0 to 1.0.
    """
    bound = first_s
    while True:
        yield bound * jitter()
        bound = min(bound * 2, cap_s)
