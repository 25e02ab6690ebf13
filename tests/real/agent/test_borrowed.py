"""A mirror is not made anew under the feet of a command that runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from ci.agent.removal import remove_tree
from ci.errors import CheckoutFailed
from tests.real.agent.test_checkout import COOKIE, Place
from tests.real.agent.test_mirrors import lose_objects
from tests.real.repository import Repository


@pytest.fixture
def place(tmp_path: Path, repository: Repository) -> Place:
    """A place with nothing cached."""
    return Place(tmp_path / "agent", repository)


async def build_what_goes(place: Place) -> str:
    """Check out a branch that the repository has no longer when this returns; return its commit."""
    repository = place.repository
    repository.git("checkout", "--quiet", "-b", "topic")
    topic = repository.commit({"topic": "topic\n"})
    repository.git("checkout", "--quiet", "main")
    await place.make("topic")
    repository.git("branch", "--quiet", "-D", "topic")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")
    return topic


async def make_another(place: Place, name: str) -> str:
    """Check out the main branch into another workspace."""
    url, workspace = str(place.repository.path), place.workspace.with_name(name)
    return (await place.checkout.make(url, "main", workspace, COOKIE)).commit_hash


async def test_a_submodule_that_is_away_says_nothing_about_the_mirror(place: Place) -> None:
    """The mirror stays, and what runs keeps a commit that only the mirror has by now."""
    topic = await build_what_goes(place)
    remove_tree(place.workspace)  # so that nothing else protects it
    (place.repository.path / ".gitmodules").write_text(
        '[submodule "away"]\n\tpath = away\n\turl = /nowhere/at/all\n'
    )
    place.repository.git("add", ".gitmodules")
    place.repository.git("update-index", "--add", "--cacheinfo", f"160000,{topic},away")
    place.repository.git("commit", "--quiet", "--message", "Use what is not there")
    with pytest.raises(CheckoutFailed, match="could not check out the submodules"):
        await make_another(place, "2.1.1")
    assert (await place.make(topic)).commit_hash == topic


async def test_what_a_running_command_borrows_from_stays(place: Place) -> None:
    """However damaged; it is made anew when nobody borrows any more."""
    topic = await build_what_goes(place)
    tip = place.repository.git("rev-parse", "main")
    # The tree of the branch's tip is gone, its commit is not.
    tree = place.repository.git("rev-parse", "main^{tree}")
    (place.mirror() / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(CheckoutFailed, match="damaged"):
        await make_another(place, "2.1.1")
    assert place.git("log", "-1", "--format=%H") == topic
    remove_tree(place.workspace)
    assert await make_another(place, "2.1.1") == tip


async def test_checkouts_that_meet_a_damaged_mirror_at_once_all_succeed(place: Place) -> None:
    """No command runs yet in their workspaces, so none of them keeps the others from it."""
    await place.make("main")
    remove_tree(place.workspace)
    lose_objects(place.mirror())
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(2, 6):
                nursery.start_soon(make_another, place, f"{number}.1.1")
    for number in range(2, 6):
        place.workspace = place.workspace.with_name(f"{number}.1.1")
        place.git("fsck")
        assert place.git("status", "--porcelain") == ""
