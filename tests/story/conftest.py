"""Stories run under a mock clock: no thread, no socket, no child process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ci import blocking
from tests.story.world import World


@pytest.fixture(autouse=True)
def blocking_inline() -> Iterator[None]:
    """Do blocking work on the spot: a thread would let the mock clock leap.

    A plain fixture on purpose. It runs outside of trio, in the context that `trio.run` copies, so
    that it reaches the test, its trio fixtures and every task that they start.
    """
    with blocking.inline():
        yield


@pytest.fixture
async def world(nursery: trio.Nursery, tmp_path: Path) -> World:
    """A world in which no time passes but by waiting: its test must name `autojump_clock`."""
    assert isinstance(trio.lowlevel.current_clock(), MockClock)
    return World(nursery, tmp_path)
