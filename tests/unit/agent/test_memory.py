"""A build that has too much memory is ended, and says so."""

from __future__ import annotations

import os
from typing import Any

import trio

from ci.agent.memory import LOOK_S, memory_of
from tests.fakes.stage import Stage, job


async def test_too_much_is_told(stage: Stage) -> None:
    """Whichever of its processes has it."""
    stage.machine.memory_limit = 1000
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 100"))
        result = await _end_with(stage, 1001)
    assert (result["status"], result["reason"]) == ("error", "killed")
    assert "more memory than maxMemoryBytes allows" in result["message"]


async def test_what_fits_goes_on(stage: Stage) -> None:
    """To its own end."""
    stage.machine.memory_limit = 1000
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command=f"sleep {5 * LOOK_S}; exit 3"))
        result = await _end_with(stage, 1000)
    assert (result["status"], result["exit_code"]) == ("failure", 3)


async def _end_with(stage: Stage, uses: int) -> dict[str, Any]:
    await trio.sleep(LOOK_S)
    (command,) = stage.machine.running.values()
    command.uses = uses
    return await stage.server.wait_result()


def test_it_is_counted_by_what_processes_have_for_themselves() -> None:
    """Twice the same one is twice as much; one that is gone has none."""
    own = os.getpid()
    assert memory_of([own]) > 1 << 20
    assert memory_of([own, 2**22 + 1]) < 2 * memory_of([own])
