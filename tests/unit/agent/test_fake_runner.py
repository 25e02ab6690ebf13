"""The fake runner keeps the promises of the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from ci.agent.runner import Runner
from tests.fakes.runner import FakeMachine, FakeRunner
from tests.fakes.runner_contract import RunnerContract


class FakeBench:
    """A fake machine to run commands on."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.machine = FakeMachine(nursery, kill_grace_s=0.5)

    def runner(self) -> Runner:
        """Make a runner on it."""
        return FakeRunner(self.machine)

    def alive(self, cookie: str) -> int:
        """Ask the machine."""
        return self.machine.running[cookie].alive


@pytest.fixture
async def bench() -> AsyncIterator[FakeBench]:
    """A machine that ends with the test."""
    async with trio.open_nursery() as nursery:
        yield FakeBench(nursery)
        nursery.cancel_scope.cancel()


class TestFakeRunner(RunnerContract):
    """The contract, in no time."""
