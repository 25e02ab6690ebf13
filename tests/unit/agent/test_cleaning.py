"""What belongs to no attempt goes; what belongs to one stays."""

from __future__ import annotations

from pathlib import Path

import trio

from ci.agent.cleaning import CLEAN_S, LOOK_S, Cleaning
from ci.agent.mounts import Ground
from ci.agent.removal import remove_tree, set_aside
from ci.agent.room import Room
from tests.fakes.checkout import FakeCheckout
from tests.fakes.stage import Stage, job

MB = 1_000_000


async def test_leftovers_go_while_the_agent_runs(stage: Stage) -> None:
    """What could not be removed at first is tried again; what is half removed goes too."""
    async with stage.agent():
        await trio.sleep(1)
        (stage.folder / "work" / "6.1.1" / "deep").mkdir(parents=True)
        (stage.folder / "spool" / "6.1.1").mkdir(parents=True)
        set_aside(stage.folder / "work" / "6.1.1")
        await trio.sleep(CLEAN_S + LOOK_S)
        assert stage.kept == []


async def test_what_runs_keeps_its_folders(stage: Stage) -> None:
    """Through any number of rounds, until it is over and delivered."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command=f"sleep {1.5 * CLEAN_S}; echo end"))
        await trio.sleep(CLEAN_S + LOOK_S)
        assert stage.kept == ["spool/1.1.1", "work/1.1.1"]
        await stage.server.wait_result()
        await trio.sleep(1)
        assert stage.kept == []


async def test_a_result_that_waits_is_no_leftover(stage: Stage) -> None:
    """However long the server stays away."""
    async with stage.agent() as (_, http):
        stage.server.down = True
        await http.post("/build", json=job(command="echo end"))
        await trio.sleep(CLEAN_S + LOOK_S)
        assert stage.kept == ["spool/1.1.1"]


async def test_a_job_that_can_not_be_read_is_left_to_a_person(stage: Stage) -> None:
    """Nobody knows whether it was ever built."""
    stage.know()
    (stage.folder / "spool" / "7.1.1" / "job.json").mkdir(parents=True)
    async with stage.agent():
        await trio.sleep(CLEAN_S + LOOK_S)
        assert stage.kept == ["spool/7.1.1"]


async def test_a_short_disk_costs_mirrors_until_there_is_room(stage: Stage) -> None:
    """One after the other, and no more than needed; then builds are taken again."""
    stage.machine.free = 50 * MB

    def give() -> None:
        stage.machine.free += 30 * MB

    stage.checkout.spare_mirrors = [give] * 3
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        assert len(stage.checkout.spare_mirrors) == 1
        assert (await http.post("/build", json=job())).status_code == 202


async def test_a_disk_that_stays_short_stops_nothing_else(stage: Stage) -> None:
    """It is looked at again and again, and the agent is there all the time."""
    stage.machine.free = 50 * MB
    async with stage.agent() as (_, http):
        await trio.sleep(3 * CLEAN_S)
        assert "50.0 MB free" in (await http.get("/status")).json()["problem"]


async def test_what_goes_by_itself_does_not_end_the_round(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """An attempt has removed its workspace between our look and our turn."""
    work = tmp_path / "work"
    for name in ("5.1.1", "6.1.1", "7.1.1"):
        (work / name).mkdir(parents=True)

    def names() -> set[str]:
        remove_tree(work / "6.1.1")
        return set()

    async def ask(folder: Path) -> int:
        await trio.lowlevel.checkpoint()
        return 50 * MB

    checkout = FakeCheckout()
    checkout.spare_mirrors = [lambda: None]
    ground = Ground(tmp_path)
    room = Room(ground, 100 * MB, ask)
    nursery.start_soon(Cleaning(ground, names, checkout, room, keep_mirrors_days=1).serve)
    await trio.sleep(1)
    assert list(work.iterdir()) == []
    assert checkout.spare_mirrors == []


def test_a_tree_without_permissions_is_removed(tmp_path: Path) -> None:
    """And nothing outside changes its permissions, though a link leads there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o755)  # whatever the umask
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    (tree / "a" / "link").symlink_to(outside)
    for folder in (tree / "a" / "b", tree / "a", tree):
        folder.chmod(0)
    remove_tree(tree)
    assert not tree.exists()
    assert outside.stat().st_mode & 0o777 == 0o755
