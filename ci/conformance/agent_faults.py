"""Probes of an agent: its server is away, late, out of order; it is killed itself."""

from __future__ import annotations

from typing import Final

import trio

from ci.conformance.agent_stage import AgentStage
from ci.conformance.probe import CanNotTell, Probe, expect
from ci.conformance.standin_server import Told
from ci.model import Status

AWAY_S: Final = 12.0  # as long as the restart of a server may take
BACK_S: Final = 120.0  # for an agent that asks more and more rarely
SHORT: Final = 60_000  # bytes of a result that a server with a small limit takes


def _expect_success(told: Told) -> None:
    expect(told.outcome.status is Status.SUCCESS, f"the result says {told.outcome.status}")


async def _server_away(stage: AgentStage) -> str:
    id = await stage.start("sleep 1; echo fine")
    await stage.server.door.close()
    await trio.sleep(stage.paced(AWAY_S))
    await stage.server.door.open()
    began = trio.current_time()
    _expect_success(await stage.result(id, stage.paced(BACK_S)))
    return f"it came {trio.current_time() - began:.0f} s after the server was back"


async def _server_fails(stage: AgentStage) -> str:
    stage.server.failures = 2
    id = await stage.start("echo fine")
    _expect_success(await stage.result(id, stage.paced(BACK_S)))
    return "it came again after two answers of 500"


async def _server_is_silent(stage: AgentStage) -> str:
    stage.server.is_silent = True
    await stage.start("echo fine")
    await trio.sleep(1)
    id = await stage.start("echo fine")
    await trio.sleep(1)
    stage.server.is_silent = False
    await stage.start("echo fine")
    seen = await stage.server.wait_result(id, 1)
    return "it took the next jobs" + (", and told the end again" if seen else "")


async def _too_large(stage: AgentStage) -> str:
    stage.server.largest = SHORT
    id = await stage.start("echo first; yes 'a line' | head -c 500000; echo last")
    told = await stage.result(id, stage.paced(BACK_S))
    _expect_success(told)
    return f"the verdict came, with {len(told.output):,} bytes of output"


async def _cancels(stage: AgentStage) -> str:
    id = await stage.start("echo begun; sleep 100")
    await trio.sleep(1)
    answer = await stage.agent.post("/cancel", {"id": id, "buildId": id})
    if answer.status in (404, 405, 501):
        process = stage.process
        if process is not None:
            await _restart(stage)
        raise CanNotTell(f"it knows no POST /cancel: {answer.status}")
    expect(answer.is_good, f"POST /cancel was answered {answer.status}")
    told = await stage.result(id)
    expect(told.outcome.status is not Status.SUCCESS, "the canceled job is told as a success")
    return "it ended the job at once"


async def _server_late(stage: AgentStage) -> str:
    process = stage.need_process()
    await process.stop()
    await stage.server.door.close()
    known = len(stage.server.agents)
    await process.start()
    await trio.sleep(stage.paced(AWAY_S))
    await stage.server.door.open()
    said = await stage.server.wait_agent(known, stage.paced(BACK_S))
    expect(said is not None, f"it did not register within {stage.paced(BACK_S):g} s")
    return "it registered when the server was there"


async def _killed(stage: AgentStage) -> str:
    stage.need_process()
    await stage.start("sleep 5; echo fine")
    await trio.sleep(1)
    await _restart(stage)
    id = await stage.start("echo fine")
    _expect_success(await stage.result(id, stage.paced(BACK_S)))
    return "its next life registered and took the next job"


async def _restart(stage: AgentStage) -> None:
    """Kill the agent, start it again, and wait until it has registered."""
    process = stage.need_process()
    await process.kill()
    known = len(stage.server.agents)
    await process.start()
    said = await stage.server.wait_agent(known, stage.paced(BACK_S))
    expect(said is not None, f"it did not register again within {stage.paced(BACK_S):g} s")


PROBES: Final = (
    Probe(
        "server away",
        "a result that is due while the server is away is told when it is back",
        _server_away,
        limit_s=200.0,
    ),
    Probe("server out of order", "a result that is answered with 500 is told again", _server_fails),
    Probe(
        "server never answers",
        "an agent whose result is never answered goes on to work",
        _server_is_silent,
        limit_s=150.0,
    ),
    Probe(
        "server takes little",
        "a result that is answered with 413 comes again, with less output",
        _too_large,
        limit_s=200.0,
    ),
    Probe("cancel", "POST /cancel ends a job; agents need not know it", _cancels),
    Probe(
        "server late",
        "an agent that finds no server at its start registers when there is one",
        _server_late,
        limit_s=200.0,
    ),
    Probe(
        "agent killed in a build",
        "its next life registers, and takes jobs",
        _killed,
        limit_s=200.0,
    ),
)
