"""Probes of an agent: it registers, takes jobs, runs them, and tells how they ended."""

from __future__ import annotations

from typing import Final

from ci.conformance.agent_stage import AT_ONCE_S, NOT_NOW, AgentStage, Handover
from ci.conformance.probe import Broken, CanNotTell, Probe, expect
from ci.conformance.repository import FILE
from ci.conformance.standin_server import Told
from ci.errors import ConfigError, Unreachable
from ci.model import Status

REGISTER_S: Final = 120.0  # an agent that has found no server for long asks rarely
HEALTH_PATHS: Final = ("/", "/status", "/ping", "/health", "/is-alive", "/build")
BUSY_BUILD_S: Final = 3.0  # for a second job to be taken in the middle of the first
LARGE: Final = 200_000  # bytes of output
HUGE: Final = 2_000_000
_LINES: Final = "echo first; yes 'a line of output' | head -c {size}; echo; echo last; exit {code}"


def _expect_end(told: Told, status: Status) -> None:
    seen = told.outcome.status
    expect(seen is status, f"the result says {seen}, not {status}; output: {told.output[:200]!r}")


async def _registers(stage: AgentStage) -> str:
    try:
        said = await stage.registered(0, REGISTER_S)
    except Broken as error:
        if stage.process is not None and stage.process.ended is not None:
            raise ConfigError(
                f"--start: {error}; give a command that runs the agent in the foreground"
            ) from error
        raise
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
    # Each writes its own word, and reads it when the other would have written his. Who answers only
    # when he has built gets the second job before that.
    command = f"echo {{0}} > own; sleep {BUSY_BUILD_S:g}; cat own"
    first = await stage.start(command.format("one"), within_s=AT_ONCE_S)
    second, body = stage.job(command.format("two"))
    handover = await stage.hand_over(body)
    told = await stage.result(first)
    expect(b"one" in told.output, f"the first found in its file: {told.output[:200]!r}")
    if not _is_no(handover):
        other = await stage.server.wait_result(second, stage.patience_s)
        if other is not None:
            expect(b"two" in other.output, f"the second found in its file: {other.output[:200]!r}")
            return "it did both, and neither found anything of the other"
        expect(_is_no(handover), f"no result of the second came within {stage.patience_s:g} s")
    assert handover.answer is not None  # by `_is_no`
    status = handover.answer.status
    expect(handover.answer.is_refusal or status in NOT_NOW, f"the second was answered {status}")
    ran = await stage.server.wait_result(second, BUSY_BUILD_S + AT_ONCE_S)
    expect(ran is None, "it refused the second job and ran it")
    return f"the second was refused with {status}"


def _is_no(handover: Handover) -> bool:
    return handover.answer is not None and not handover.answer.is_good


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
