"""Agents on a stage. All tests here run on a mock clock, those of a shared contract as well."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ci import blocking
from tests.fakes.stage import Stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the clock here: pytest-trio takes a fixture only if the test itself names it."""
    for item in items:
        here = item.path.is_relative_to(Path(__file__).parent)
        if here and inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.trio(run=_run_mocked), append=False)


def _run_mocked(*arguments: Any, clock: object, **options: Any) -> Any:
    assert clock is None, "these tests have a mock clock without naming autojump_clock"
    return trio.run(*arguments, clock=MockClock(autojump_threshold=0), **options)


@pytest.fixture(autouse=True)
def blocking_inline() -> Iterator[None]:
    """Do blocking work on the spot: a thread would let the mock clock leap."""
    with blocking.inline():
        yield


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Set the stage, on a clock that leaps."""
    assert isinstance(trio.lowlevel.current_clock(), MockClock)
    async with trio.open_nursery() as nursery:
        yield Stage(tmp_path, nursery)
        nursery.cancel_scope.cancel()
