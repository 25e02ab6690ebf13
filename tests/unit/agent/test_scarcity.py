"""A machine that has no file, process or memory left for a while."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import trio

from ci.agent.scarcity import HOLD_S, is_scarce
from tests.fakes.stage import Stage, job

TIMES = 20


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EMFILE, "x"), True),
        (OSError(errno.ENFILE, "x"), True),
        (OSError(errno.ENOMEM, "x"), True),
        (OSError(errno.EAGAIN, "x"), True),
        (MemoryError(), True),
        (ExceptionGroup("g", [OSError(errno.EMFILE, "x")]), True),
        (ExceptionGroup("g", [OSError(errno.EMFILE, "x"), ValueError("a bug")]), False),
        (OSError(errno.ENOSPC, "x"), False),
        (ValueError("x"), False),
    ],
)
def test_what_others_give_back_is_told_from_the_rest(error: Exception, expected: bool) -> None:
    """In groups too, but not beside a bug."""
    assert is_scarce(error) is expected


@pytest.mark.parametrize("step", ["start", "fork", "wait", "kill"])
async def test_a_command_goes_on_when_it_can(stage: Stage, step: str) -> None:
    """Its verdict is its own, and it ran once."""
    stage.machine.short[step] = TIMES
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo hello; sleep 9; exit 3"))
        result = await stage.server.wait_result()
    assert (result["status"], result["exit_code"], result["log_size"]) == ("failure", 3, 6)
    assert stage.machine.short[step] == 0
    assert len(stage.machine.started) == 1


async def test_a_checkout_is_made_when_it_can_be(stage: Stage) -> None:
    """Nothing of the command has started, so nothing is lost by waiting."""
    stage.checkout.short = TIMES
    async with stage.agent() as (_, http):
        await http.post("/build", json=job())
        assert (await stage.server.wait_result())["status"] == "success"


async def test_a_command_is_found_again_when_it_can_be(stage: Stage) -> None:
    """An agent that sees nothing of it just now does not believe that it is gone."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 60; exit 3"))
        await trio.sleep(1)
    stage.machine.short["find"] = TIMES
    async with stage.agent():
        assert (await stage.server.wait_result())["exit_code"] == 3
    assert len(stage.machine.started) == 1


@pytest.mark.parametrize(("more", "reason"), [({}, "canceled"), ({"timeout_s": 9}, "timeout")])
async def test_what_waits_can_be_ended(stage: Stage, more: dict[str, Any], reason: str) -> None:
    """By a person, and by its time."""
    stage.checkout.short = 1_000_000
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(**more))
        await trio.sleep(5)
        if reason == "canceled":
            await http.post("/cancel", json={"id": "1.1.1"})
        assert (await stage.server.wait_result())["reason"] == reason


async def test_meanwhile_nothing_new_is_taken(stage: Stage) -> None:
    """It is refused, so that another agent may have it, and the status says why."""
    stage.checkout.short = TIMES
    async with stage.agent() as (agent, http):
        await http.post("/build", json=job())
        await trio.sleep(2)
        problem = (await http.get("/status")).json()["problem"]
        assert "Too many open files" in problem
        refused = await http.post("/build", json=job("2.1.1"))
        assert (refused.status_code, refused.json()["error"]["message"]) == (409, problem)
        agent.home.call()
        await trio.sleep(1)
        assert stage.server.registrations[-1]["problem"] == problem
        await stage.server.wait_result()
        await trio.sleep(HOLD_S)
        assert (await http.get("/status")).json()["problem"] == ""
        assert (await http.post("/build", json=job("2.1.2"))).status_code == 202
