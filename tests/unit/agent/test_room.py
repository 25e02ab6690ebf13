"""A disk that is full, or nearly."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import trio

from ci.agent.mounts import Ground
from ci.agent.room import FULL_BYTES, LOOK_LIMIT_S, Room, is_no_space
from ci.errors import CheckoutFailed
from tests.fakes.stage import Stage, job

MB = 1_000_000


async def test_little_room_is_said_with_place_limit_and_remedy(tmp_path: Path) -> None:
    """Whoever reads it on a page needs no manual."""
    free = 12_345_678

    async def ask(folder: Path) -> int:
        await trio.lowlevel.checkpoint()
        assert folder == tmp_path
        return free

    room = Room(Ground(tmp_path), 20 * MB, ask)
    assert await room.look() == free
    assert room.problem == (
        f"12.3 MB free in {tmp_path}: no build is taken below 20.0 MB (minFreeBytes); "
        "make room there"
    )
    assert not await room.is_full()
    free = FULL_BYTES - 1
    assert await room.is_full()
    assert f"1.0 MB free in {tmp_path}. Make room there" in await room.full()
    free = 20 * MB
    await room.look()
    assert room.problem == ""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EIO, "No space left on device"), False),
        (ExceptionGroup("g", [ExceptionGroup("h", [OSError(errno.ENOSPC, "x")])]), True),
        (CheckoutFailed("git could not …: fatal: write error: No space left on device"), True),
        (CheckoutFailed("sha1 file 'x' write error. Out of diskspace"), True),
        (CheckoutFailed("fatal: repository not found"), False),
        (CheckoutFailed("fatal: early EOF\nremote: fatal: No space left on device"), False),
        (CheckoutFailed("git could not …: remote: No space left on device"), False),
        (CheckoutFailed("fatal: remote error: Disk quota exceeded"), False),
        (CheckoutFailed("remote: hello\nfatal: No space left on device"), True),
    ],
)
def test_a_failure_for_want_of_space_is_known(error: Exception, expected: bool) -> None:
    """Python's and git's, in groups too; not one of the repository's server."""
    assert is_no_space(error) is expected


async def test_what_is_no_longer_full_is_not_said_to_be(stage: Stage) -> None:
    """Git removes what came in part, so its words are the only trace."""
    words = "git could not fetch /r: fatal: write error: No space left on device"
    stage.checkout.problem = words
    async with stage.agent() as (_, http):
        await http.post("/build", json=job())
        result = await stage.server.wait_result()
    assert result["reason"] == "disk_full"
    assert result["message"].startswith("The agent's disk was full; ")
    assert result["message"].endswith(words)


async def test_without_room_no_build_is_taken(stage: Stage) -> None:
    """It says so when it is asked, when it registers and when it refuses; then it takes again."""
    async with stage.agent() as (agent, http):
        await trio.sleep(1)
        stage.machine.free = 99 * MB
        refused = await http.post("/build", json=job())
        assert refused.status_code == 409
        problem = refused.json()["error"]["message"]
        assert "99.0 MB free in" in problem
        assert (await http.get("/status")).json()["problem"] == problem
        agent.home.call()
        await trio.sleep(1)
        assert stage.server.registrations[-1]["problem"] == problem
        assert stage.server.registrations[-1]["available"] is False
        stage.machine.free = 105 * MB
        assert (await http.get("/status")).json()["problem"] == ""
        assert (await http.post("/build", json=job("1.1.2"))).status_code == 202
        assert (await stage.server.wait_result())["status"] == "success"


async def test_what_runs_goes_on_without_room_for_more(stage: Stage) -> None:
    """And a repeated request for it is no new build."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 5"))
        stage.machine.free = 50 * MB
        assert (await http.post("/build", json=job(command="sleep 5"))).status_code == 202
        assert (await stage.server.wait_result())["status"] == "success"


@pytest.mark.parametrize(
    ("command", "reason"), [("kill -9 0", "disk_full"), ("exit 1", "disk_full"), ("true", "exited")]
)
async def test_on_a_full_disk_only_success_is_a_verdict(
    stage: Stage, command: str, reason: str
) -> None:
    """What failed may have failed for want of space: another agent may try."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command=f"sleep 1; {command}"))
        stage.machine.free = 4096
        result = await stage.server.wait_result()
    assert result["reason"] == reason
    if reason == "disk_full":
        assert str(stage.folder) in result["message"]


async def test_a_folder_that_can_not_be_looked_at_has_no_room(tmp_path: Path) -> None:
    """It says why; that nothing fits is more than anybody knows, and nothing ends by that."""

    async def fail(folder: Path) -> int:
        await trio.lowlevel.checkpoint()
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(folder))

    room = Room(Ground(tmp_path), 20 * MB, fail)
    assert await room.look() == 0
    assert f"{tmp_path} can't be looked at (No such file or directory)" in room.problem
    assert not await room.is_full()


async def test_a_disk_that_does_not_answer_has_no_room(stage: Stage) -> None:
    """Who asks how the agent is, or for a build, is told so in time, and not left to wait."""
    async with stage.agent() as (_, http):
        stage.machine.looks_s = 1000
        for _ in range(3):
            with trio.fail_after(3 * LOOK_LIMIT_S):
                refused = await http.post("/build", json=job())
                problem = (await http.get("/status")).json()["problem"]
            assert refused.status_code == 409
            assert "can't be looked at (no answer within 2 s)" in problem
        stage.machine.looks_s = 0
        assert (await http.post("/build", json=job("1.1.2"))).status_code == 202
        assert (await stage.server.wait_result())["status"] == "success"
