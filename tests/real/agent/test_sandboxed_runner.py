"""What every runner promises, from within a sandbox; and none of it is left."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import trio

from ci.agent.bubblewrap import View
from ci.agent.runner import NoSandbox, Runner, ShellRunner
from ci.agent.sandbox import Sandbox
from tests.fakes.runner_contract import SOON_S, Bench, RunnerContract, make_order, wait_log


class SandboxBench:
    """This machine, with bubblewrap."""

    def __init__(self, data_dir: Path) -> None:
        self.view = View(data_dir)

    def runner(self) -> Runner:
        """Make a runner with a short grace time."""
        return ShellRunner(0.5, Sandbox("bwrap", self.view))

    def alive(self, cookie: str) -> int:
        """Look at every process there is, bubblewrap's own included."""
        found = 0
        for process in psutil.process_iter():
            try:
                found += cookie in str(process.environ())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture
def bench(tmp_path: Path) -> SandboxBench:
    """A machine whose agent has `tmp_path` as its data folder."""
    return SandboxBench(tmp_path)


class TestSandboxedRunner(RunnerContract):
    """The contract, with processes that don't see each other."""

    async def test_a_killed_supervisor_leaves_no_exit_code(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """A command can't kill it: it ends itself alone, and that is told."""
        started = await self.run(bench, make_order(tmp_path, "kill -9 0"))
        assert await started.wait() == 137

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
    async def test_a_command_that_signals_its_group_has_a_verdict(
        self, bench: SandboxBench, tmp_path: Path, number: signal.Signals
    ) -> None:
        """And nobody outside hears of it."""
        started = await self.run(bench, make_order(tmp_path, f"kill -{number:d} 0; sleep 1000"))
        assert await started.wait() == 128 + number

    async def test_a_command_may_tidy_up_when_it_is_ended(
        self, bench: SandboxBench, tmp_path: Path
    ) -> None:
        """It hears SIGTERM first, and has the grace time."""
        command = "trap 'echo tidy; exit 0' TERM; echo up; sleep 1000 & wait"
        order = make_order(tmp_path, command)
        started = await self.run(bench, order)
        await wait_log(order, b"up\n")
        with trio.fail_after(SOON_S):
            await started.kill()
        assert order.folder.log.read_bytes() == b"up\ntidy\n"
        assert not bench.alive(order.cookie)

    async def test_what_multiplies_is_ended(self, bench: SandboxBench, tmp_path: Path) -> None:
        """Each process starts two and ends; none of them is there for long."""
        order = make_order(tmp_path, "sh x & echo up; sleep 1000")
        (order.workspace / "x").write_text("sleep 0.05; sh x & sh x & exit\n")
        started = await self.run(bench, order)
        await wait_log(order, b"up\n")
        await trio.sleep(0.3)
        with trio.fail_after(SOON_S):
            await started.kill()
        assert not bench.alive(order.cookie)

    async def test_the_end_of_bubblewrap_is_the_end_of_all(
        self, bench: SandboxBench, tmp_path: Path
    ) -> None:
        """Whoever kills it from outside leaves nobody behind."""
        order = make_order(tmp_path, "setsid sleep 1000 & echo up; sleep 1001")
        started = await self.run(bench, order)
        await wait_log(order, b"up\n")
        supervisor = psutil.Process(order.folder.pid())
        (outer,) = supervisor.children()
        outer.kill()
        with trio.fail_after(SOON_S):
            assert await started.wait() == 137
            await started.kill()
        assert not bench.alive(order.cookie)

    async def test_its_environment_acts_on_nothing_outside(
        self, bench: SandboxBench, tmp_path: Path
    ) -> None:
        """No program of the workspace, and no library, takes the place of one of the agent's."""
        order = make_order(tmp_path, "")
        for name in ("sh", "bwrap", "prlimit"):
            (order.workspace / name).write_text(
                f"#!/bin/sh\ntouch {tmp_path}/escaped\nsleep 1000\n"
            )
            (order.workspace / name).chmod(0o755)
        environment = {"PATH": ".:/bin", "LD_PRELOAD": f"{order.workspace}/x.so", "A": "b\nc"}
        words = ("/bin/sh", "-c", 'echo "$A" $PATH; sleep 1000')
        order = replace(order, environment=environment, words=words)
        started = await self.run(bench, order)
        with trio.fail_after(SOON_S):
            while not (order.folder.log.exists() and b"c .:/bin" in order.folder.log.read_bytes()):
                await trio.sleep(0.01)
        supervisor = psutil.Process(order.folder.pid())
        (outer,) = supervisor.children()
        for process in (supervisor, outer, *outer.children()):
            assert not environment.keys() & process.environ().keys()
        await started.kill()
        assert not (tmp_path / "escaped").exists()

    async def test_words_need_no_shell(self, bench: SandboxBench, tmp_path: Path) -> None:
        """Under rules they come letter by letter, and what is not there has a shell's exit code."""
        words = ("printf", "%s|", "$HOME;", "a  b")
        order = replace(make_order(tmp_path, ""), words=words)
        assert await (await self.run(bench, order)).wait() == 0
        assert order.folder.log.read_bytes() == b"$HOME;|a  b|"

    async def test_no_sandbox_is_no_verdict(self, bench: SandboxBench, tmp_path: Path) -> None:
        """What bubblewrap can't do is no failure of the command."""
        bench.view = View(tmp_path, readable=(tmp_path / "gone",))
        started = await self.run(bench, order := make_order(tmp_path, "exit 1"))
        with pytest.raises(NoSandbox):
            await started.wait()
        assert b"gone" in order.folder.log.read_bytes()
