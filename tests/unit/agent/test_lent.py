"""The secrets of one attempt: who gets them, what is seen of them, and that nothing is left."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import trio

from ci.agent.delivery import FOLLOW_S
from tests.fakes.stage import Stage, job

VALUE = "a-secret-value"
SECRET: dict[str, Any] = {"name": "TOKEN", "value": VALUE, "branches": ["main"]}


@pytest.fixture
def trusting(stage: Stage) -> Stage:
    """An agent whose owner gives secrets to builds, though there is no sandbox."""
    stage.settings["secrets"] = "always"
    return stage


def traces(folder: Path) -> list[str]:
    """Name the files in a folder that hold the value, but for a command with it in its words."""
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    for path, text in texts.items():
        if path.name == "job.json":
            ticket = json.loads(text)
            del ticket["job"]["command"]
            texts[path] = str(ticket)
    return [path.name for path, text in texts.items() if VALUE in text]


async def test_it_is_in_the_environment_and_masked_everywhere_else(
    trusting: Stage, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, in the folder while it runs but for one file, in the agent's own log."""
    caplog.set_level(logging.DEBUG)
    async with trusting.agent() as (_, http):
        await http.post(
            "/build", json=job(command=f"echo A {VALUE}; sleep 9; echo {VALUE}", secrets=[SECRET])
        )
        await trio.sleep(5)
        assert trusting.machine.started[0].environment["TOKEN"] == VALUE
        assert trusting.server.logs["1.1.1"] == b"A ***\n"
        assert traces(trusting.folder) == ["secrets.json"]
        result = await trusting.server.wait_result()
    assert trusting.server.logs["1.1.1"] == b"A ***\n***\n"
    assert result["log_size"] == len(b"A ***\n***\n")
    assert result["secrets"] == "It had TOKEN."
    assert VALUE not in str(trusting.server.results) + str(capsys.readouterr()) + caplog.text
    assert traces(trusting.folder) == []


async def test_of_another_branch_there_is_nothing(trusting: Stage) -> None:
    """Neither in the environment nor on the disk while the command runs; it is said why."""
    trusting.checkout.branches = {"feature"}
    async with trusting.agent() as (_, http):
        await http.post("/build", json=job(command=f"echo {VALUE}; sleep 9", secrets=[SECRET]))
        await trio.sleep(5)
        assert "TOKEN" not in trusting.machine.started[0].environment
        assert traces(trusting.folder) == ["log"]  # where the command itself has printed it
        result = await trusting.server.wait_result()
    assert result["secrets"] == "It did not have TOKEN: the commit is not on main."
    assert trusting.server.logs["1.1.1"] == f"{VALUE}\n".encode()


async def test_each_secret_is_judged_for_itself(trusting: Stage) -> None:
    """Its branches and its name; what remains is masked, also after a restart."""
    trusting.checkout.branches = {"release/1", "main"}
    trusting.settings["environmentNames"] = "TOKEN*"
    secrets = [
        {"name": "TOKEN_A", "value": "the value of A", "branches": ["release/*"]},
        {"name": "TOKEN_B", "value": "the value of B", "branches": ["dev", "next"]},
        {"name": "KEY_C", "value": "the value of C", "branches": ["*"]},
    ]
    command = "echo 'the value of A'; sleep 20; echo 'the value of A'"
    async with trusting.agent() as (_, http):
        await http.post("/build", json=job(command=command, secrets=secrets))
        await trio.sleep(5)
    names = set(trusting.machine.started[0].environment)
    assert names & {"TOKEN_A", "TOKEN_B", "KEY_C"} == {"TOKEN_A"}
    async with trusting.agent():
        result = await trusting.server.wait_result()
    assert result["secrets"] == (
        "It had TOKEN_A. It did not have TOKEN_B: the commit is not on dev or next. "
        "It did not have KEY_C: no rule of environmentNames allows it; there is TOKEN*."
    )
    assert trusting.server.logs["1.1.1"] == b"***\n***\n"


@pytest.mark.parametrize("at_s", [0.5, 2.0, 3.5, 5.5, 20.0])
async def test_an_agent_may_die_at_any_time(trusting: Stage, at_s: float) -> None:
    """During the checkout, before and behind a half of it, and when all is printed."""
    trusting.checkout.takes_s = 1.0
    command = f"sleep 1; echo 1 {VALUE}; sleep 2; echo 2 {VALUE[:7]}; sleep 2; echo 3 {VALUE}"
    async with trusting.agent() as (_, http):
        await http.post("/build", json=job(command=command, secrets=[SECRET]))
        trusting.server.down = True
        await trio.sleep(at_s)
    await trio.sleep(10)
    trusting.server.down = False
    async with trusting.agent():
        result = await trusting.server.wait_result()
    assert trusting.machine.started[-1].environment["TOKEN"] == VALUE
    assert trusting.server.logs["1.1.1"] == f"1 ***\n2 {VALUE[:7]}\n3 ***\n".encode()
    assert result["status"] == "success"
    assert result["secrets"] == "It had TOKEN."
    assert traces(trusting.folder) == []


async def test_it_is_gone_with_the_end_though_the_server_is_away(trusting: Stage) -> None:
    """What waits for delivery has it no more."""
    async with trusting.agent() as (_, http):
        await http.post("/build", json=job(command=f"echo {VALUE}", secrets=[SECRET]))
        trusting.server.down = True
        await trio.sleep(10)
        assert trusting.kept == ["spool/1.1.1"]
        assert traces(trusting.folder) == []


@pytest.mark.parametrize("end", ["cancel", "timeout", "crash", "never", "checkout"])
async def test_it_is_gone_however_the_build_ends(trusting: Stage, end: str) -> None:
    """And what is told of that does not have it."""
    more: dict[str, Any] = {"timeout_s": 20} if end == "timeout" else {}
    if end == "never":
        trusting.machine.start_error = OSError(2, f"no such program {VALUE}")
    if end == "checkout":
        trusting.checkout.problem = f"the repository is away, said {VALUE}"
    async with trusting.agent() as (_, http):
        await http.post(
            "/build",
            json=job(command=f"echo {VALUE}; sleep 1000; true", secrets=[SECRET], **more),
        )
        await trio.sleep(5)
        if end == "cancel":
            await http.post("/cancel", json={"id": "1.1.1"})
        if end == "crash":
            trusting.machine.crash()
        result = await trusting.server.wait_result()
        await trio.sleep(FOLLOW_S)
    assert result["status"] == ("canceled" if end == "cancel" else "error")
    assert VALUE not in str(trusting.server.results) + str(trusting.server.logs)
    assert traces(trusting.folder) == []


@pytest.mark.parametrize("setting", ["sandboxed", "never"])
async def test_an_agent_that_takes_none_says_so(stage: Stage, setting: str) -> None:
    """Without a sandbox by itself; what comes all the same is not even kept."""
    stage.settings["secrets"] = setting
    async with stage.agent() as (_, http):
        status = (await http.get("/status")).json()
        await http.post("/build", json=job(command="sleep 9", secrets=[SECRET]))
        await trio.sleep(5)
        assert traces(stage.folder) == []
        assert "TOKEN" not in stage.machine.started[0].environment
    assert not status["takes_secrets"]
    assert ("sandbox" if setting == "sandboxed" else "never") in status["no_secrets"]


@pytest.mark.parametrize(
    "wrong",
    [{"value": "short"}, {"value": None}, {"value": ["x" * 20]}, {"branches": []}, {"name": "A=B"}],
)
async def test_a_wrong_secret_is_refused_without_its_value(
    trusting: Stage, wrong: dict[str, Any]
) -> None:
    """Whatever is wrong with it."""
    async with trusting.agent() as (_, http):
        answer = await http.post("/build", json=job(secrets=[SECRET | wrong]))
        if answer.status_code == 202:  # a name is judged with its branches
            assert "A=B" in (await trusting.server.wait_result())["secrets"]
    assert VALUE not in answer.text
    assert "xxx" not in answer.text
