"""What every runner promises: run on the real one and on the fake, so that stories are true."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
import trio

from ci.agent import processes
from ci.agent.runner import Command, Order, Runner
from ci.agent.spool import Folder


class Bench(Protocol):
    """A place to run commands on; `kill_grace_s` of its runners is 0.5 s."""

    def runner(self) -> Runner:
        """Make a runner, as an agent does at each of its starts."""

    def alive(self, cookie: str) -> int:
        """Count the processes that belong to `cookie`."""


Ordering = Callable[[str], Order]

SOON_S = 60.0  # it takes a moment, but a loaded machine is slow at any moment


def make_order(folder: Path, command: str) -> Order:
    """Order `command` in folders of its own."""
    spool, workspace = folder / "spool", folder / "work"
    spool.mkdir()
    workspace.mkdir()
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GREETING": "hello"}
    # Whoever has this cookie is ended, also if another run of these tests has started it.
    cookie = f"cookie-{uuid.uuid4().hex}"
    since = processes.now()
    return Order(command, workspace, environment, Folder(spool), cookie, since=since)


async def wait_log(order: Order, content: bytes) -> None:
    """Wait until the log is exactly `content`."""
    with trio.fail_after(SOON_S):
        while not (order.folder.log.exists() and order.folder.log.read_bytes() == content):
            await trio.sleep(0.01)


class RunnerContract:
    """Tests for the fixture `bench`; a subclass in a test file makes pytest run them."""

    async def run(self, bench: Bench, order: Order) -> Command:
        """Start the command."""
        return await bench.runner().start(order)

    @pytest.mark.parametrize(
        ("command", "code"),
        [("true", 0), ("false", 1), ("exit 7", 7), ("echo a; exit 255", 255), ("no-such-xyz", 127)],
    )
    async def test_the_exit_code_is_the_commands(
        self, bench: Bench, tmp_path: Path, command: str, code: int
    ) -> None:
        """The verdict is the shell's exit code."""
        started = await self.run(bench, make_order(tmp_path, command))
        assert await started.wait() == code

    async def test_both_outputs_are_one_log_in_their_order(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """A line on stderr stands where it was printed."""
        order = make_order(tmp_path, "echo 1; echo 2 >&2; echo 3; echo 4 >&2")
        started = await self.run(bench, order)
        await started.wait()
        assert order.folder.log.read_bytes() == b"1\n2\n3\n4\n"

    async def test_a_line_is_in_the_log_while_the_command_runs(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """A live page can show it."""
        order = make_order(tmp_path, "echo now; sleep 1000")
        started = await self.run(bench, order)
        await wait_log(order, b"now\n")
        await started.kill()

    async def test_kill_ends_it_all(self, bench: Bench, tmp_path: Path) -> None:
        """Background processes and those that left the session end with the command."""
        order = make_order(tmp_path, "sleep 1000 & setsid sleep 1001 & echo up; sleep 1002")
        started = await self.run(bench, order)
        await wait_log(order, b"up\n")
        assert bench.alive(order.cookie)
        with trio.fail_after(SOON_S):
            await started.kill()
        assert not bench.alive(order.cookie)

    async def test_kill_ends_what_ignores_a_polite_request(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """SIGKILL follows SIGTERM after the grace time."""
        order = make_order(tmp_path, "trap '' TERM; echo deaf; sleep 1000")
        started = await self.run(bench, order)
        await wait_log(order, b"deaf\n")
        began = trio.current_time()
        with trio.fail_after(SOON_S):
            await started.kill()
        assert trio.current_time() - began >= 0.4
        assert not bench.alive(order.cookie)

    async def test_after_the_end_kill_ends_what_is_left(self, bench: Bench, tmp_path: Path) -> None:
        """A daemon that a build started does not outlive the build."""
        order = make_order(tmp_path, "sleep 1000 & setsid sleep 1001 & exit 0")
        started = await self.run(bench, order)
        with trio.fail_after(SOON_S):
            assert await started.wait() == 0
        with trio.fail_after(SOON_S):
            await started.kill()
        assert not bench.alive(order.cookie)

    async def test_a_killed_supervisor_leaves_no_exit_code(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """Nobody can tell how such a command ended."""
        started = await self.run(bench, make_order(tmp_path, "kill -9 0"))
        assert await started.wait() is None

    async def test_a_cancelled_wait_leaves_the_command_alone(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """An agent that ends has not ended the build."""
        order = make_order(tmp_path, "echo 1; sleep 3; echo 2; exit 3")
        started = await self.run(bench, order)
        with trio.move_on_after(0.2):
            await started.wait()
        assert bench.alive(order.cookie)
        found = await bench.runner().find(order.folder, order.cookie, order.workspace)
        assert found is not None
        assert await found.wait() == 3
        assert order.folder.log.read_bytes() == b"1\n2\n"

    async def test_a_command_that_ended_meanwhile_is_found(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """Its exit code waited on the disk for the next agent."""
        order = make_order(tmp_path, "exit 4")
        await (await self.run(bench, order)).wait()
        found = await bench.runner().find(order.folder, order.cookie, order.workspace)
        assert found is not None
        assert await found.wait() == 4
        await found.kill()

    async def test_a_command_that_was_never_started_is_not_found(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """The agent begins again at the checkout then."""
        order = make_order(tmp_path, "true")
        with trio.fail_after(SOON_S):
            assert await bench.runner().find(order.folder, order.cookie, order.workspace) is None

    async def test_a_picked_up_command_can_be_killed(self, bench: Bench, tmp_path: Path) -> None:
        """Cancel works after a restart of the agent as before."""
        order = make_order(tmp_path, "setsid sleep 1001 & echo up; sleep 1002")
        await self.run(bench, order)
        await wait_log(order, b"up\n")
        found = await bench.runner().find(order.folder, order.cookie, order.workspace)
        assert found is not None
        with trio.fail_after(SOON_S):
            await found.kill()
        assert not bench.alive(order.cookie)
