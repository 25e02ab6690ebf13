"""Probes of a server: agents that are busy, late, wrong, or dead."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import trio

from ci.conformance.calls import Answer
from ci.conformance.probe import CanNotTell, Probe, expect
from ci.conformance.server_stage import QUIET_S, ServerStage
from ci.conformance.standin_agent import BAD, Task

LATE_S: Final = 8.0  # longer than most wait for an answer
UNASKED_S: Final = 15.0  # three of the heartbeats that servers send, or more
LOST_S: Final = 150.0  # in which a server must find out that an agent is dead


async def _again(stage: ServerStage) -> str:
    number, task = await stage.build()
    for _ in range(3):
        answer = await stage.agent.register()
        expect(answer.is_good, f"registering again was answered {answer.status}")
    await stage.expect_quiet("while its build runs, it was handed another job")
    expect((await stage.agent.deliver(task)).is_good, "its result was refused after that")
    return await stage.shown(number, "success")


async def _one_at_a_time(stage: ServerStage) -> str:
    first, task = await stage.build()
    second = await stage.submit()
    await stage.expect_quiet("a second build came while the agent had one")
    await stage.agent.deliver(task)
    await stage.agent.deliver(await stage.next_task())
    await stage.shown(first, "success")
    return f"the second came when the first was over; {await stage.shown(second, 'success')}"


async def _busy(stage: ServerStage) -> str:
    stage.agent.refuses = True
    before = stage.agent.refused
    number = await stage.submit()
    within_s = stage.patience_s + stage.desk.patience_s
    offered = await stage.agent.wait_refused(before + 1, within_s)
    expect(offered, f"no build was handed over within {within_s:g} s, so none could be refused")
    await trio.sleep(stage.paced(QUIET_S))
    stage.agent.refuses = False
    await stage.agent.register()
    task = await stage.next_task()
    await stage.agent.deliver(task)
    return f"it came again; {await stage.shown(number, 'success')}"


async def _oldest_first(stage: ServerStage) -> str:
    _, task = await stage.build()
    numbers = [await stage.submit() for _ in range(3)]
    await stage.agent.deliver(task)
    came = []
    for _ in numbers:
        task = await stage.next_task()
        came.append(task.job.number)
        await stage.agent.deliver(task)
    if "" in numbers or "" in came:
        raise CanNotTell("the builds have no numbers by which they could be told apart")
    expect(came == numbers, f"{', '.join(numbers)} were asked for; they came as {', '.join(came)}")
    return f"{', '.join(came)}, as they were asked for"


async def _result_first(stage: ServerStage) -> str:
    stage.agent.answers_late = True
    number, task = await stage.build()
    answer = await _tell_end(stage, task)
    expect(answer.is_good, f"the result was answered {answer.status}")
    seen = await stage.shown(number, "success")
    task.answer.set()
    await stage.expect_quiet("it was handed over once more")
    await stage.shown(number, "success")
    return seen


async def _late_reply(stage: ServerStage) -> str:
    stage.agent.answers_late = True
    number, task = await stage.build()
    again = await stage.agent.next_task(stage.paced(LATE_S))
    expect(again is None, "the build was handed over once more while its agent was silent")
    answer = await _tell_end(stage, task)
    expect(answer.is_good, f"the result was answered {answer.status}")
    stage.agent.drop(task)
    return await stage.shown(number, "success")


async def _tell_end(stage: ServerStage, task: Task) -> Answer:
    """Deliver a good end without answering `/build`."""
    id = task.job.id
    stage.agent.open.remove(task)
    return await stage.agent.tell(
        {"id": id, "buildId": id, "success": True, "status": "Success", "log": "", "buildLog": ""}
    )


async def _twice(stage: ServerStage) -> str:
    number, task = await stage.build()
    await stage.agent.deliver(task)
    await stage.shown(number, "success")
    again = await stage.agent.deliver(task)
    expect(again.status < 500, f"the same result once more was answered {again.status}")
    other = await stage.agent.deliver(task, BAD)
    expect(other.status < 500, f"another result for it was answered {other.status}")
    seen = await stage.shown(number, "success")
    return f"answered {again.status}, and another one {other.status}; {seen}"


async def _wrong_result(stage: ServerStage, body: dict[str, Any] | bytes) -> str:
    number, task = await stage.build()
    answer = await stage.agent.tell(body)
    expect(answer.is_refusal, f"it was answered {answer.status}, not with a 4xx")
    expect((await stage.agent.deliver(task)).is_good, "the right result after that was refused")
    return f"it was answered {answer.status}; {await stage.shown(number, 'success')}"


async def _cancels(stage: ServerStage) -> str:
    number, task = await stage.build()
    await stage.desk.cancel(number)
    asked = await stage.agent.wait_canceled(task.job.id, stage.patience_s)
    expect(asked, "its agent was not asked to end it by POST /cancel")
    await stage.agent.deliver(task)
    await stage.shown(number, "canceled")
    return "its agent was asked to end it, and what that told then changed nothing"


async def _no_status(stage: ServerStage) -> str:
    silent_s = stage.paced(UNASKED_S)
    await trio.sleep(silent_s)
    number, task = await stage.build()
    await stage.agent.deliver(task)
    return f"after {silent_s:g} s it still got work; {await stage.shown(number, 'success')}"


async def _dies(stage: ServerStage) -> str:
    number, task = await stage.build()
    await stage.agent.door.close()
    stage.agent.drop(task)
    other = stage.make_agent()
    await other.door.open()
    first, stage.agent = stage.agent, other
    expect((await other.register()).is_good, "the second agent was refused")
    began = trio.current_time()
    limit_s = stage.paced(LOST_S)
    again = await other.next_task(limit_s)
    expect(again is not None, f"no other agent got the build within {limit_s:g} s")
    assert again is not None
    took_s = trio.current_time() - began
    late = await first.deliver(task, BAD)
    expect(late.status < 500, f"the late result of the dead one was answered {late.status}")
    expect((await other.deliver(again)).is_good, "the result of the other agent was refused")
    seen = await stage.shown(number, "success")
    told = f"what the first told late was answered {late.status}"
    return f"another agent got it after {took_s:.0f} s, {told}; {seen}"


PROBES: Final = (
    Probe(
        "register again",
        "an agent that registers while it has a build loses it not, and gets none beside it",
        _again,
    ),
    Probe("one at a time", "an agent that has a build gets no second one", _one_at_a_time),
    Probe("agent says not now", "a build that is refused with 409 is handed over later", _busy),
    Probe("oldest first", "builds are handed over in the order in which they came", _oldest_first),
    Probe("result before the reply", "a result may come before /build is answered", _result_first),
    Probe("late reply", "an agent may answer /build only when the build is over", _late_reply),
    Probe("result twice", "the same result once more changes nothing", _twice),
    Probe(
        "unknown result",
        "a result for a build that does not exist is a 4xx and changes nothing",
        partial(_wrong_result, body={"id": "999999", "buildId": "999999", "success": True}),
    ),
    Probe(
        "empty result",
        "a result without id and verdict is a 4xx and changes nothing",
        partial(_wrong_result, body={}),
    ),
    Probe(
        "result that is no JSON",
        "a result that can't be read is a 4xx and changes nothing",
        partial(_wrong_result, body=b"<html>"),
    ),
    Probe(
        "agent without /status",
        "an agent that answers 404 to all but /build is alive",
        _no_status,
    ),
    Probe("cancel", "the agent of a canceled build is asked to end it", _cancels),
    Probe(
        "agent dies in a build",
        "another agent gets the build, and a late result of the dead one changes nothing",
        _dies,
        limit_s=2 * LOST_S,
    ),
)
