"""Probes of an agent: its server is away, late, out of order; it is killed itself."""

from __future__ import annotations

from typing import Final

import trio

from ci.conformance.agent_stage import AT_ONCE_S, BUSY_S, AgentStage
from ci.conformance.calls import Answer
from ci.conformance.probe import CanNotTell, Probe, expect
from ci.conformance.standin_server import Told
from ci.errors import Unreachable
from ci.model import Status
from ci.wire.status import CANCEL_PATH

AWAY_S: Final = 12.0  # as long as the restart of a server may take
BACK_S: Final = 120.0  # for an agent that asks more and more rarely
AWAY_BUILD_S: Final = 4.0  # so that its end is due when the server is away
NO_CALL: Final = "/no-such-call"  # an agent that answers this alike does not know a call
UNKNOWN: Final = (404, 405, 501)
SHORT: Final = 60_000  # bytes of a result that a server with a small limit takes


def _expect_success(told: Told) -> None:
    expect(told.outcome.status is Status.SUCCESS, f"the result says {told.outcome.status}")


async def _server_away(stage: AgentStage) -> str:
    id = await stage.start(f"sleep {AWAY_BUILD_S:g}; echo fine", within_s=AT_ONCE_S)
    await stage.server.door.close()
    expect(not stage.server.results(id), "its result came before the command was over")
    await trio.sleep(AWAY_BUILD_S + stage.paced(AWAY_S))
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
    id = await stage.start("echo fine", within_s=AT_ONCE_S)
    expect(await stage.server.wait_ignored(id, stage.patience_s), "no result came")
    other = await stage.start("echo fine", within_s=AT_ONCE_S)
    expect(await stage.server.wait_ignored(other, BUSY_S), "it did not go on to work")
    stage.server.is_silent = False
    for each in (id, other):
        _expect_success(await stage.result(each, stage.paced(BACK_S)))
    return "it took the next job, and told the end of both again"


async def _too_large(stage: AgentStage) -> str:
    stage.server.largest = SHORT
    id = await stage.start("echo first; yes 'a line' | head -c 500000; echo last")
    told = await stage.result(id, stage.paced(BACK_S))
    _expect_success(told)
    return f"the verdict came, with {len(told.output):,} bytes of output"


async def _cancels(stage: AgentStage) -> str:
    command = f"echo begun; sleep {3 * stage.patience_s:g}"
    id = await stage.start(command, within_s=AT_ONCE_S)
    await trio.sleep(1)
    job = {"id": id, "buildId": id}
    answer, other = await _answer(stage, CANCEL_PATH, job), await _answer(stage, NO_CALL, job)
    is_known = (
        answer is not None
        and answer.status not in UNKNOWN
        and (other is None or answer.status != other.status)
    )
    told = None
    if answer is not None and (answer.is_good or is_known):
        expect(answer.is_good, f"POST /cancel was answered {answer.status}")
        told = await stage.server.wait_result(id, stage.patience_s)
        expect(told or not is_known, f"no result came within {stage.patience_s:g} s")
    if told is None:
        if stage.process is not None:
            await _restart(stage)
        seen = "no answer" if answer is None else str(answer.status)
        raise CanNotTell(f"it knows no POST /cancel: {seen}")
    expect(told.outcome.status is not Status.SUCCESS, "the canceled job is told as a success")
    return "it ended the job at once"


async def _answer(stage: AgentStage, path: str, body: dict[str, str]) -> Answer | None:
    """Ask; None when nothing comes back, as from one that answers nothing while it builds."""
    try:
        with trio.move_on_after(stage.patience_s / 6):
            return await stage.agent.post(path, body)
    except Unreachable as error:
        if not error.sent:
            raise
    return None


async def _server_late(stage: AgentStage) -> str:
    process = stage.need_process()
    await process.stop()
    await stage.server.door.close()
    known = len(stage.server.agents)
    await process.start()
    await trio.sleep(stage.paced(AWAY_S))
    await stage.server.door.open()
    await stage.registered(known, stage.paced(BACK_S))
    return "it registered when the server was there"


async def _killed(stage: AgentStage) -> str:
    stage.need_process()
    await stage.start("sleep 5; echo fine", within_s=AT_ONCE_S)
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
    await stage.registered(known, stage.paced(BACK_S))


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
        "a result that is not answered is told again, and the agent takes jobs meanwhile",
        _server_is_silent,
        limit_s=300.0,
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
