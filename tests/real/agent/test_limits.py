"""What a build in a sandbox can't take more of."""

from __future__ import annotations

from pathlib import Path

import trio

from ci.agent.bubblewrap import View
from ci.agent.ending import exited
from ci.agent.rlimits import Limits
from ci.agent.runner import ShellRunner
from ci.agent.sandbox import Sandbox
from tests.fakes.runner_contract import SOON_S, make_order

LIMITS = Limits(memory=64 << 20, processes=40, cpu_s=1, file_bytes=1 << 20, open_files=64)


async def _run(folder: Path, command: str, limits: Limits = LIMITS) -> tuple[int | None, str]:
    sandbox = Sandbox("bwrap", View(folder), limits=limits)
    order = make_order(folder, command)
    with trio.fail_after(SOON_S):
        started = await ShellRunner(0.5, sandbox).start(order)
        code = await started.wait()
        await started.kill()
    return code, order.folder.log.read_text(errors="replace")


async def test_memory(tmp_path: Path) -> None:
    """What is asked for beyond is refused to the program, which says so."""
    grow = "head -c 30000000 /dev/zero | tail -c 20000000 | wc -c; "
    code, said = await _run(tmp_path, grow + "head -c 300000000 /dev/zero | tail -c 200000000")
    assert "20000000" in said
    assert "memory exhausted" in said or "allocate" in said
    assert code != 0


async def test_processor_time_is_told(tmp_path: Path) -> None:
    """By a signal, so in the build's message."""
    code, _ = await _run(tmp_path, "while :; do :; done")
    assert code is not None
    assert "maxCpuSeconds" in exited(code).message


async def test_the_size_of_a_file_is_told(tmp_path: Path) -> None:
    """Likewise; what fits is written."""
    code, _ = await _run(tmp_path, "exec dd if=/dev/zero of=big bs=4096 count=10000 status=none")
    assert code is not None
    assert "maxFileBytes" in exited(code).message
    assert (tmp_path / "work" / "big").stat().st_size == 1 << 20


async def test_open_files_and_no_way_to_more(tmp_path: Path) -> None:
    """The hard limit is the same: who may do nothing else can't raise it either."""
    _, said = await _run(tmp_path, "ulimit -n; ulimit -Hn; ulimit -n 100 || echo no")
    assert said.split()[:2] == ["64", "64"]
    assert "no" in said.split()
