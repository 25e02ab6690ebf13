"""Probes of a server: register, be handed builds, tell how they ended."""

from __future__ import annotations

from typing import Final

from ci.conformance.calls import Answer
from ci.conformance.desk import Wanted
from ci.conformance.probe import Probe, expect
from ci.conformance.server_stage import ServerStage
from ci.conformance.standin_agent import BAD, GOOD, Task

LARGE: Final = 200_000  # bytes of output; many servers refuse that
HUGE: Final = 2_000_000
_UNICODE: Final = "grün, 緑, \U0001f7e2 and \x1b[32mcolour\x1b[0m\n"
_LINE: Final = "a line of output, as a build prints thousands of them\n"


def _taken(answer: Answer, what: str) -> None:
    expect(answer.is_good, f"{what} was answered {answer.status}: {answer.text[:200]}")


async def _registers(stage: ServerStage) -> str:
    answer = await stage.agent.register()
    _taken(answer, "the registration")
    return f"it was answered {answer.status}"


async def _hands_over(stage: ServerStage) -> str:
    number, task = await stage.build()
    job = task.job
    wanted = stage.desk.sure or Wanted(job.commit, job.command)
    expect(
        (job.commit, job.command) == (wanted.commit, wanted.command),
        f"asked for were commit {wanted.commit}, command {wanted.command}; "
        f"it came with commit {job.commit}, command {job.command}",
    )
    _taken(await stage.agent.deliver(task), "the result")
    await stage.shown(number, "success")
    return f"it came as {job.id}, commit {job.commit}, command {job.command}"


async def _green(stage: ServerStage) -> str:
    number, task = await stage.build()
    _taken(await stage.agent.deliver(task, GOOD), "the result")
    return await stage.shown(number, "success")


async def _red(stage: ServerStage) -> str:
    number, task = await stage.build()
    _taken(await stage.agent.deliver(task, BAD), "the result")
    return await stage.shown(number, "failure")


async def _output(stage: ServerStage, log: str) -> str:
    number, task = await stage.build()
    answer = await stage.agent.deliver(task, GOOD, log)
    _taken(answer, f"a result with {len(log.encode()):,} bytes of output")
    seen = await stage.shown(number, "success")
    if number and seen.startswith("it is shown"):
        shown = await stage.desk.log(number)
        expect(shown == log.encode(), f"of it {len(shown):,} bytes are shown, or others")
        seen += ", to the byte"
    return seen


async def _unicode(stage: ServerStage) -> str:
    return await _output(stage, _UNICODE)


async def _large(stage: ServerStage) -> str:
    return await _output(stage, _LINE * (LARGE // len(_LINE)))


async def _huge(stage: ServerStage) -> str:
    return await _output(stage, _LINE * (HUGE // len(_LINE)))


async def _no_text(stage: ServerStage) -> str:
    number, task = await stage.build()
    id = task.job.id.encode()
    body = b'{"id": "%s", "buildId": "%s", "success": true, "status": "Success", "log": "a\xff"}'
    answer = await stage.agent.tell(body % (id, id))
    if answer.is_good:
        stage.agent.drop(task)
        return f"it was taken; {await stage.shown(number, 'success')}"
    expect(answer.is_refusal, f"it was answered {answer.status}")
    return f"it was refused with {answer.status}; {await _still_works(stage, task, number)}"


async def _still_works(stage: ServerStage, task: Task, number: str) -> str:
    """Deliver a build's end after something odd."""
    answer = await stage.agent.deliver(task)
    _taken(answer, "the right result after that")
    return await stage.shown(number, "success")


PROBES: Final = (
    Probe("register", "an agent that says host and port is answered with 2xx", _registers),
    Probe(
        "hand over",
        "a build is handed to a free agent by POST /build with id, repository, commit and command",
        _hands_over,
    ),
    Probe("green build", "the result of a good build is taken and shown as that", _green),
    Probe("red build", "the result of a bad build is taken and shown as that", _red),
    Probe("unicode", "output in any script is taken and shown", _unicode),
    Probe("200 KB of output", "a long output is taken and shown", _large),
    Probe("2 MB of output", "a very long output is taken and shown", _huge),
    Probe(
        "output that is no UTF-8",
        "a result with stray bytes is taken or refused in words, and the next one is taken",
        _no_text,
    ),
)
