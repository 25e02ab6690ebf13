"""Processes that hide from the end of their build, and processes that must not be touched."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil
import pytest
import trio

from ci.agent import processes
from ci.agent.runner import Order, ShellRunner
from tests.fakes.runner_contract import SOON_S, make_order, wait_log
from tests.real.harness import wait_until

# Each is bounded: should we fail to end it, it ends by itself.
HOPS: Final = 30_000
LOOKS: Final = 5
HIDE: Final = "cd /; exec </dev/null >/dev/null 2>&1"

# Forks, leaves the session and ends, again and again, deaf to SIGTERM: never the same process.
HOPPER: Final = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.chdir("/")
for hop in range({HOPS}):
    if os.fork():
        os._exit(0)
    os.setsid()
    if hop == 100:
        os.write(1, b"up\\n")
        os.closerange(0, 3)
"""

# Each waits for the next one; who sees it end before it was itself told to end says so.
NESTED: Final = """
trap 'exit 0' TERM
if [ "$1" -gt 0 ]; then sh nested $(($1 - 1)) & else sleep 60 & echo up; fi
wait
echo unasked
"""

# Keeps a crowd of children that fork and end all the time.
CROWD: Final = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
first = os.getpid()
for _ in range(6):
    if os.fork() == 0:
        os.setsid()
if os.getpid() == first:
    os.write(1, b"up\\n")
for _ in range({HOPS // 10}):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
"""


class Bench:
    """Runs a command to its end and ends what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = f"nursery-ci-test-{os.getpid()}-{folder.name}"

    def order(self, command: str, name: str = "one") -> Order:
        """Order a command that finds the word to hide under as $T."""
        folder = self.folder / name
        folder.mkdir()
        order = make_order(folder, command)
        environment = {**order.environment, "T": self.token, "PYTHON": sys.executable}
        return replace(order, environment=environment, cookie=f"cookie-of-{name}-{self.token}")

    async def run_and_end(self, order: Order) -> None:
        """Run until the command says `up`, then end all."""
        command = await ShellRunner(kill_grace_s=0.3).start(order)
        await wait_log(order, b"up\n")
        with trio.fail_after(SOON_S / 2):  # before what hides ends by itself
            await command.kill()

    def alive(self) -> list[psutil.Process]:
        """Processes, zombies apart, that have the token among their arguments.

        One that forks and ends all the time may be missed by a look.
        """
        found = set()
        for _ in range(LOOKS):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    if self.token in process.cmdline():
                        found.add(process)
        return list(found)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench that leaves nothing behind, whatever the test says."""
    bench = Bench(tmp_path)
    yield bench
    for process in bench.alive():
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.mark.parametrize(
    "command",
    [
        f"env -i setsid /bin/sh -c '{HIDE}; (/bin/sleep 60; :) & :' $T; sleep 0.1; echo up",
        f"env -i T=$T setsid /bin/sh -c '{HIDE}; sh -c \"sleep 60; :\" $T &'; echo up; sleep 60",
        "setsid sh -c 'kill -STOP $$; sleep 60' $T & echo up; sleep 60",
        'setsid env -i /bin/sh -c "trap : TERM; kill -STOP \\$\\$; sleep 60" $T & echo up',
        '$PYTHON -c "import os, time; os.fork() or os._exit(0); time.sleep(60)" $T & echo up; wait',
    ],
    ids=["double fork", "orphan", "stopped", "stopped and deaf", "zombie"],
)
async def test_none_that_hides_is_left(bench: Bench, command: str) -> None:
    """Cleared environment, own session, no parent, no file, another folder: all at once."""
    await bench.run_and_end(bench.order(command))
    assert bench.alive() == []


@pytest.mark.parametrize("program", [HOPPER, CROWD], ids=["hopper", "crowd"])
async def test_none_that_forks_faster_than_one_looks_is_left(bench: Bench, program: str) -> None:
    """What is stopped can't fork; what is caught by its mark is stopped at sight."""
    (bench.folder / "program.py").write_text(program)
    command = f"env -i $PYTHON -IS {bench.folder}/program.py $T & wait; sleep 60"
    await bench.run_and_end(bench.order(command))
    assert bench.alive() == []


async def test_a_parent_is_asked_before_its_children(bench: Bench) -> None:
    """Else a script whose child ends first goes on, or ends, and never runs its trap."""
    order = bench.order("exec sh nested 20")
    (order.workspace / "nested").write_text(NESTED)
    await bench.run_and_end(order)
    assert order.folder.log.read_bytes() == b"up\n"


async def test_none_is_left_after_the_command_has_ended_by_itself(bench: Bench) -> None:
    """A daemon does not outlive its build although nobody canceled it."""
    order = bench.order(f"env -i setsid /bin/sh -c '{HIDE}; (sleep 60; :) & :' $T; echo up")
    command = await ShellRunner(kill_grace_s=0.3).start(order)
    assert await command.wait() == 0
    await command.kill()
    assert bench.alive() == []


async def test_a_daemon_that_somebody_else_started_for_the_build_is_ended(bench: Bench) -> None:
    """By a service that the build asked: it works in the workspace, or writes into the log."""
    order = bench.order("echo up; sleep 60")
    with order.folder.log.open("ab") as log, ExitStack() as stack:
        for place, output in ((order.workspace, subprocess.DEVNULL), (Path("/"), log)):
            words = ["sh", "-c", "sleep 60; :", bench.token]
            stack.enter_context(subprocess.Popen(words, cwd=place, stdout=output))  # noqa: ASYNC220 - that short a start holds nobody up
        assert len(bench.alive()) == 2
        await bench.run_and_end(order)
        assert bench.alive() == []


async def test_who_was_there_before_the_build_is_no_part_of_it(bench: Bench) -> None:
    """Whatever it does in the workspace: of each process of the machine only its age is asked."""
    order = bench.order("echo up; sleep 60")
    words = ["sh", "-c", "sleep 60; :", bench.token]
    with subprocess.Popen(words, cwd=order.workspace) as older:  # noqa: ASYNC220 - as above
        await trio.sleep(0.1)  # births are counted in ticks of 10 ms
        await bench.run_and_end(replace(order, since=processes.now()))
        assert older.pid in {process.pid for process in bench.alive()}
        two = bench.order("echo up", "two")
        await bench.run_and_end(replace(two, workspace=order.workspace, since=-math.inf))
        assert bench.alive() == []


async def test_others_are_not_touched(bench: Bench) -> None:
    """Another attempt's processes, and a person's shell that looks around in the workspace."""
    one = bench.order("echo up; sleep 60", "one")
    # The other one even works in the workspace of the first.
    other = bench.order(f"cd {one.workspace}; env -i /bin/sh -c 'echo up; sleep 60; :' $T", "other")
    running = await ShellRunner(kill_grace_s=0.3).start(other)
    await wait_log(other, b"up\n")
    with _shell_at_a_terminal(one.workspace) as shell:
        await bench.run_and_end(one)
        assert shell.is_running()
        assert len(bench.alive()) == 1
    await running.kill()
    assert bench.alive() == []


@contextmanager
def _shell_at_a_terminal(folder: Path) -> Iterator[psutil.Process]:
    """Open a terminal with a program in `folder`."""
    terminal, inside = os.openpty()
    words = ["setsid", "--ctty", "sleep", "63"]
    with subprocess.Popen(words, stdin=inside, stdout=inside, cwd=folder) as shell:
        try:
            process = psutil.Process(shell.pid)
            wait_until(lambda: process.name() == "sleep" and process.terminal(), "it is there")
            yield process
        finally:
            shell.kill()
            os.close(inside)
            os.close(terminal)
