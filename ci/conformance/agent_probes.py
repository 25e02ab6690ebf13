"""Probes of an agent: it registers, takes jobs, runs them, and tells how they ended."""

from __future__ import annotations

from typing import Final

import trio

from ci.conformance.agent_stage import AgentStage
from ci.conformance.probe import CanNotTell, Probe, expect
from ci.conformance.repository import FILE
from ci.conformance.standin_server import Told
from ci.errors import Unreachable
from ci.model import Status

REGISTER_S: Final = 120.0  # an agent that has found no server for long asks rarely
HEALTH_PATHS: Final = ("/", "/status", "/ping", "/health", "/is-alive", "/build")
LARGE: Final = 200_000  # bytes of output
HUGE: Final = 2_000_000
_LINES: Final = "echo first; yes 'a line of output' | head -c {size}; echo; echo last; exit {code}"


def _expect_end(told: Told, status: Status) -> None:
    seen = told.outcome.status
    expect(seen is status, f"the result says {seen}, not {status}; output: {told.output[:200]!r}")


async def _registers(stage: AgentStage) -> str:
    said = await stage.server.wait_agent(0, REGISTER_S)
    where = f"http://{stage.server.door.host}:{stage.server.door.number}"
    expect(said is not None, f"no registration came to {where} within {REGISTER_S:g} s")
    assert said is not None
    address = f"{said.host}:{said.port}"
    expect(stage.agent.url.endswith(f":{said.port}"), f"it says that it is at {address}")
    return f"it says that it is at {address}"


async def _lives(stage: AgentStage) -> str:
    for path in HEALTH_PATHS:
        try:
            answer = await stage.agent.get(path)
        except Unreachable as error:
            if not error.sent:
                raise
            continue
        if answer.is_good:
            return f"GET {path} was answered {answer.status}"
    return "its port takes connections; no path that is known is answered with 2xx"


async def _green(stage: AgentStage) -> str:
    told = await stage.run("echo fine")
    _expect_end(told, Status.SUCCESS)
    expect(b"fine" in told.output, f"its output is not there: {told.output[:200]!r}")
    return "success, with its output"


async def _red(stage: AgentStage) -> str:
    told = await stage.run("echo out; echo err >&2; exit 3")
    _expect_end(told, Status.FAILURE)
    for word in (b"out", b"err"):
        expect(word in told.output, f"{word!r} is missing in its output: {told.output[:200]!r}")
    return "failure, with both its outputs"


async def _commit(stage: AgentStage) -> str:
    if not stage.repository.older:
        raise CanNotTell("what is in a repository that was given is not known; leave it out")
    for commit, word in ((None, b"newer"), (stage.repository.older, b"older")):
        told = await stage.run(f"cat {FILE}", commit)
        expect(word in told.output, f"{commit or 'a branch'} gave {told.output[:200]!r}")
    return "branch and hash both gave what is in them"


async def _no_commit(stage: AgentStage) -> str:
    told = await stage.run("echo fine", "0123456789012345678901234567890123456789")
    _expect_end(told, Status.FAILURE if told.result.protocol == 0 else told.outcome.status)
    expect(told.outcome.status is not Status.SUCCESS, "it is a success")
    return "a result that is no success"


async def _unicode(stage: AgentStage) -> str:
    told = await stage.run("echo grün 緑")
    expect("grün 緑".encode() in told.output, f"output: {told.output[:200]!r}")
    _expect_end(told, Status.SUCCESS)
    return "to the letter"


async def _no_text(stage: AgentStage) -> str:
    told = await stage.run(r"printf 'before \377\200 after\n'")
    _expect_end(told, Status.SUCCESS)
    expect(b"before" in told.output, f"output: {told.output[:200]!r}")
    expect(b"after" in told.output, f"output: {told.output[:200]!r}")
    return "the verdict came, with what can be read of it"


async def _long(stage: AgentStage, size: int, code: int) -> str:
    told = await stage.run(_LINES.format(size=size, code=code))
    _expect_end(told, Status.FAILURE if code else Status.SUCCESS)
    for word in (b"first\n", b"last\n"):
        expect(word in told.output, f"{word!r} is missing in {len(told.output):,} bytes of output")
    return f"the verdict, and {len(told.output):,} bytes with beginning and end"


async def _large(stage: AgentStage) -> str:
    return await _long(stage, LARGE, 0)


async def _huge(stage: AgentStage) -> str:
    await _long(stage, HUGE, 3)
    return await _long(stage, HUGE, 0)


async def _busy(stage: AgentStage) -> str:
    # Each writes its own word, and reads it when the other would have written his.
    command = "echo {0} > own; sleep 2; cat own"
    first = await stage.start(command.format("one"))
    second, body = stage.job(command.format("two"))
    answer = await stage.send(body)
    told = await stage.result(first)
    expect(b"one" in told.output, f"the first found in its file: {told.output[:200]!r}")
    if answer is not None and not answer.is_good:
        expect(answer.is_refusal, f"the second was answered {answer.status}")
        await trio.sleep(0.5)
        expect(not stage.server.results(second), "it refused the second job and ran it")
        return f"the second was refused with {answer.status}"
    other = await stage.result(second)
    expect(b"two" in other.output, f"the second found in its file: {other.output[:200]!r}")
    return "it did both, each in a folder of its own"


async def _bad_job(stage: AgentStage) -> str:
    answers = []
    for body in (b"", b"<html>", b"{}", b"[]"):
        answer = await stage.agent.post("/build", body)
        expect(answer.is_refusal, f"{body!r} was answered {answer.status}, not with a 4xx")
        answers.append(str(answer.status))
    _expect_end(await stage.run("true"), Status.SUCCESS)
    return f"answered {', '.join(answers)}, and it works on"


PROBES: Final = (
    Probe("register", "the agent tells its server where it is reached", _registers, 150.0),
    Probe("alive", "its port answers, so that one sees that it lives", _lives),
    Probe("green build", "exit code 0 is told as success, with the output", _green),
    Probe("red build", "any other exit code is told as failure, with the output", _red),
    Probe("right commit", "it builds the commit that was asked for, branch or hash", _commit),
    Probe("unknown commit", "a commit that is not there is told as no success", _no_commit),
    Probe("unicode", "output in any script arrives", _unicode),
    Probe("output that is no UTF-8", "stray bytes in the output lose no verdict", _no_text),
    Probe("200 KB of output", "a long output arrives", _large),
    Probe("2 MB of output", "a very long output changes no verdict", _huge),
    Probe("second job while busy", "it is refused, or run in a folder of its own", _busy),
    Probe("bad job", "a job that can't be read is a 4xx, and the agent works on", _bad_job),
)
