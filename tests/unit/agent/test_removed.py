"""Somebody removes files of the agent under a running build: it is said, and the agent goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
import trio

from tests.fakes.stage import Stage, job


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        (shutil.rmtree, "The agent's folder"),
        (lambda folder: (folder / "log").unlink(), "The file log in the agent's folder"),
        (lambda folder: (folder / "job.json").unlink(), "The file job.json in the agent's folder"),
    ],
)
async def test_a_running_build_is_ended_and_told_why(
    stage: Stage, remove: Callable[[Path], None], words: str
) -> None:
    """At once: what it prints from then on, or how it ends, would be lost anyway."""
    folder = stage.folder / "spool" / "1.1.1"
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo 1; sleep 1000"))
        await trio.sleep(1)
        remove(folder)
        began = trio.current_time()
        result = await stage.server.wait_result()
        assert trio.current_time() - began < 5
        assert (result["status"], result["reason"]) == ("error", "internal")
        assert result["message"] == f"{words} {folder} was removed while the build ran."
        assert not any(command.alive for command in stage.machine.running.values())
        assert stage.server.logs["1.1.1"] == b"1\n"
        await http.post("/build", json=job("2.1.1"))
        assert (await stage.server.wait_result(2))["status"] == "success"
    assert stage.kept == []


async def test_a_folder_that_is_moved_away_and_back(stage: Stage) -> None:
    """The build is ended, and its page says why, though all is in its place by then."""
    folder = stage.folder / "spool" / "1.1.1"
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="trap '' TERM; sleep 1000"))
        await trio.sleep(1.5)
        folder.rename(stage.folder / "away")
        with structlog.testing.capture_logs() as said, trio.fail_after(60):
            while not any(line["event"] == "folder removed" for line in said):
                await trio.sleep(0.01)
        (stage.folder / "away").rename(folder)
        result = await stage.server.wait_result()
    assert (result["status"], result["reason"]) == ("error", "internal")
    assert "was moved away while the command ran" in result["message"]


async def test_a_log_that_is_removed_right_before_the_end_is_no_success(stage: Stage) -> None:
    """Exit code 0 with an empty log would be a lie."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo 1; sleep 0.7"))
        await trio.sleep(0.5)
        (stage.folder / "spool" / "1.1.1" / "log").unlink()
        result = await stage.server.wait_result()
    assert (result["status"], result["reason"]) == ("error", "internal")
    assert result.get("exit_code") is None


async def test_a_folder_that_is_removed_in_the_checkout(stage: Stage) -> None:
    """Whether the checkout succeeds then or not: no command is started, no folder made again."""
    stage.checkout.takes_s = 5
    async with stage.agent() as (_, http):
        for number, problem in enumerate(("", "git could not fetch"), 1):
            stage.checkout.problem = problem
            await http.post("/build", json=job(f"{number}.1.1"))
            await trio.sleep(1)
            shutil.rmtree(stage.folder / "spool" / f"{number}.1.1")
            result = await stage.server.wait_result(number)
            assert result["reason"] == "internal"
            assert "was removed while the build ran" in result["message"]
    assert stage.machine.started == []
    assert stage.kept == []


async def test_canceled_stays_canceled(stage: Stage) -> None:
    """Nobody who canceled a build cares for its folder."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 1000"))
        await trio.sleep(1.5)
        shutil.rmtree(stage.folder / "spool" / "1.1.1")
        await http.post("/cancel", json={"id": "1.1.1"})
        assert (await stage.server.wait_result())["reason"] == "canceled"
