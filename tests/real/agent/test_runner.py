"""Real processes, and none left of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import trio

from ci.agent.runner import Runner, ShellRunner
from tests.fakes.runner_contract import SOON_S, RunnerContract, make_order, wait_log
from tests.real.harness import held

USUAL = (1 << 31) - 1  # signals as a bit mask; those above are the C library's own


class RealBench:
    """This machine."""

    def runner(self) -> Runner:
        """Make a runner with a short grace time."""
        return ShellRunner(kill_grace_s=0.5)

    def alive(self, cookie: str) -> int:
        """Look at every process there is."""
        found = 0
        for process in psutil.process_iter():
            try:
                found += cookie in str(process.environ())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture
def bench() -> RealBench:
    """This machine."""
    return RealBench()


class TestShellRunner(RunnerContract):
    """The contract, with processes."""

    async def test_a_signal_is_told_by_the_exit_code(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """128 + 9; and the shell that noticed it prints nothing into the log."""
        order = make_order(tmp_path, "kill -9 $$")
        started = await self.run(bench, order)
        assert await started.wait() == 137
        assert order.folder.log.read_bytes() == b""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
    async def test_a_command_that_signals_its_group_has_a_verdict(
        self, bench: RealBench, tmp_path: Path, number: signal.Signals
    ) -> None:
        """`kill 0` is a usual way to end one's children; the supervisor stays to tell."""
        started = await self.run(bench, make_order(tmp_path, f"kill -{number:d} 0; sleep 1000"))
        assert await started.wait() == 128 + number

    async def test_a_command_that_stops_its_supervisor_has_a_verdict(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """It is continued; a later life of the agent does so, too."""
        order = make_order(tmp_path, "kill -STOP $PPID; echo up; sleep 3; kill -STOP $PPID; exit 6")
        started = await self.run(bench, order)
        await wait_log(order, b"up\n")
        with trio.move_on_after(1.5):
            await started.wait()
        found = await bench.runner().find(order.folder, order.cookie, order.workspace)
        assert found is not None
        with trio.fail_after(SOON_S):
            assert await found.wait() == 6

    async def test_a_command_that_is_stopped_is_said_to_be(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """Whoever waits for it learns why it prints nothing, and may end it."""
        order = make_order(tmp_path, "sleep 1000.25 & echo up; kill -STOP $$")
        started = await self.run(bench, order)
        await wait_log(order, b"up\n")
        with trio.fail_after(SOON_S):
            while not await started.is_stopped():
                await trio.sleep(0.01)
            await started.kill()
        assert not bench.alive(order.cookie)

    async def test_caught_signals_are_not_ignored_in_the_command(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """What the supervisor catches, a build's program may still die of; SIGPIPE included."""
        order = make_order(tmp_path, "grep -E 'Sig(Ign|Blk)' /proc/self/status")
        await (await self.run(bench, order)).wait()
        _, blocked, _, ignored = order.folder.log.read_text().split()
        assert not (int(blocked, 16) | int(ignored, 16)) & USUAL

    async def test_what_the_agent_was_told_to_ignore_the_command_may_die_of(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """An agent under `nohup`, or behind a shell's `&`, hands none of it on."""
        order = make_order(tmp_path, "grep SigIgn /proc/self/status")
        ignored = (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
        try:
            started = await self.run(bench, order)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        await started.wait()
        assert not int(order.folder.log.read_text().split()[1], 16) & USUAL

    async def test_the_environment_and_the_folder_are_as_ordered(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """Nothing of the agent's comes along but what was ordered."""
        order = make_order(tmp_path, 'pwd; echo "$GREETING"; env | grep -c "^PYTEST"; cat')
        await (await self.run(bench, order)).wait()
        assert order.folder.log.read_text() == f"{order.workspace}\nhello\n0\n"

    async def test_no_descriptor_of_the_agent_is_inherited(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """A build that kept the listening socket would hold the port after the agent's death."""
        order = make_order(tmp_path, "ls /proc/$$/fd")
        with (tmp_path / "held").open("w") as held:
            os.set_inheritable(held.fileno(), True)
            await (await self.run(bench, order)).wait()
        # The shell's own, and the one that its `ls` reads from: not in its list.
        assert set(order.folder.log.read_text().split()) <= {"0", "1", "2"}

    async def test_a_process_without_the_cookie_is_found_by_its_session(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """A cleared environment hides nobody who stays in the session."""
        mark = f"1234.{os.getpid()}"
        order = make_order(tmp_path, f"env -i /bin/sleep {mark} & echo up; exit 0")
        started = await self.run(bench, order)
        await started.wait()
        await started.kill()
        left = [process for process in psutil.process_iter() if mark in _arguments(process)]
        assert not left

    async def test_a_too_long_command_is_an_error(self, bench: RealBench, tmp_path: Path) -> None:
        """The operating system refuses it; nothing is left over."""
        with pytest.raises(OSError, match="too long"):
            await self.run(bench, make_order(tmp_path, "x" * 200_000))

    async def test_an_older_copy_of_its_folder_gets_no_verdict(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """The log of a copy ends where it was made: nobody may take it for all that was printed."""
        order = make_order(tmp_path, "echo one; cat pipe; echo two")
        pipe = order.workspace / "pipe"
        os.mkfifo(pipe)
        started = await self.run(bench, order)
        await wait_log(order, b"one\n")
        folder = order.folder.path
        copy = shutil.copytree(folder, folder.with_name("copy"))
        folder.rename(folder.with_name("gone"))
        copy.rename(folder)
        pipe.write_text("")
        assert await started.wait() is None
        assert order.folder.log.read_bytes() == b"one\n"

    async def test_no_zombie_is_left(self, bench: RealBench, tmp_path: Path) -> None:
        """An agent runs for months."""
        order = make_order(tmp_path, "setsid sleep 1000 & sleep 1001")
        started = await self.run(bench, order)
        await trio.sleep(0.1)
        await started.kill()
        children = psutil.Process().children()
        assert not [child for child in children if child.status() == psutil.STATUS_ZOMBIE]

    async def test_a_command_survives_kill_9_of_its_agent(
        self, bench: RealBench, tmp_path: Path
    ) -> None:
        """The next agent picks it up with all that it printed meanwhile."""
        go = tmp_path / "go"
        order = make_order(tmp_path, f"echo 1; {held(go)}; echo 2; exit 5")
        program = (
            "import sys, trio\n"
            "from pathlib import Path\n"
            "from ci.agent.runner import Order, ShellRunner\n"
            "from ci.agent.spool import Folder\n"
            "async def main(folder, work, cookie, command):\n"
            "    order = Order(command, Path(work), {'PATH': '/usr/bin:/bin'}, "
            "Folder(Path(folder)), cookie)\n"
            "    await (await ShellRunner(1).start(order)).wait()\n"
            "trio.run(main, *sys.argv[1:])\n"
        )
        arguments = [order.folder.path, order.workspace, order.cookie, order.command]
        with subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)]) as agent:  # noqa: ASYNC220 - that short a start holds nobody up
            await wait_log(order, b"1\n")
            agent.send_signal(signal.SIGKILL)
        go.touch()
        found = await bench.runner().find(order.folder, order.cookie, order.workspace)
        assert found is not None
        with trio.fail_after(SOON_S):
            assert await found.wait() == 5
        assert order.folder.log.read_bytes() == b"1\n2\n"
        await found.kill()


def _arguments(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
