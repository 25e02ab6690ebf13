"""Mirrors that are damaged, crowded, or used no more."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from ci.agent import bare
from ci.agent import mirror as mirrors
from ci.agent.checkout import GitCheckout
from ci.agent.removal import remove_tree
from ci.errors import CheckoutFailed
from tests.real.agent.test_checkout import COOKIE, Place
from tests.real.repository import Repository

YEAR_S = 365 * 86_400.0


@pytest.fixture
def place(tmp_path: Path, repository: Repository) -> Place:
    """A place with nothing cached."""
    return Place(tmp_path / "agent", repository)


def grow_old(mirror: Path, by_s: float = YEAR_S) -> None:
    """Let a mirror's last use be so long ago."""
    used = mirror / bare.USED
    then = used.stat().st_mtime - by_s
    os.utime(used, (then, then))


def truncate_pack(mirror: Path) -> None:
    """As after a loss of power."""
    [pack] = mirror.glob("objects/pack/*.pack")
    pack.chmod(0o644)
    os.truncate(pack, pack.stat().st_size // 2)


def empty_objects(mirror: Path) -> None:
    """As after a loss of power: the names are there, the bytes are not."""
    for loose in mirror.glob("objects/??/*"):
        loose.chmod(0o644)
        loose.write_bytes(b"")


def empty_refs(mirror: Path) -> None:
    """Likewise."""
    (mirror / "packed-refs").unlink(missing_ok=True)
    (mirror / "refs/heads/main").write_bytes(b"")


def lose_objects(mirror: Path) -> None:
    """As by a hand that wanted to make room."""
    remove_tree(mirror / "objects")
    (mirror / "objects").mkdir()


@pytest.mark.parametrize("is_packed", [True, False], ids=["packed", "loose"])
@pytest.mark.parametrize("damage", [truncate_pack, empty_objects, empty_refs, lose_objects])
@pytest.mark.parametrize("by_hash", [True, False], ids=["hash", "branch"])
async def test_a_damaged_mirror_is_made_anew(
    place: Place, damage: Callable[[Path], None], is_packed: bool, by_hash: bool
) -> None:
    """By the first build that meets it; that build and those after it don't notice."""
    place.repository.commit({f"{n}.txt": f"{n}\n" for n in range(150 if is_packed else 3)})
    hash = (await place.make("main")).commit_hash
    assert bool(list(place.mirror().glob("objects/pack/*.pack"))) is is_packed
    if (damage, is_packed) in ((truncate_pack, False), (empty_objects, True)):
        damage = lose_objects
    damage(place.mirror())
    assert (await place.make(hash if by_hash else "main")).commit_hash == hash
    assert place.git("status", "--porcelain") == ""
    second = place.repository.commit({"x": "y"})
    assert (await place.make("main")).commit_hash == second
    place.git("fsck")


async def test_a_repository_that_is_away_costs_no_mirror(place: Place) -> None:
    """What is known can still be built; when it is back, what is new too."""
    hash = (await place.make("main")).commit_hash
    away = place.repository.path.with_name("moved")
    place.repository.path.rename(away)
    for _ in range(2):
        with pytest.raises(CheckoutFailed, match="could not fetch"):
            await place.make("main")
    assert (await place.make(hash)).commit_hash == hash
    assert [path.name for path in place.mirror().parent.iterdir()] == [place.mirror().name]
    away.rename(place.repository.path)
    assert (await place.make("main")).commit_hash == hash


async def test_a_mirror_that_is_used_no_more_is_removed(place: Place) -> None:
    """Not before its time, and not while a workspace borrows from it."""
    work = place.workspace.parent
    hash = (await place.make("main")).commit_hash
    await place.checkout.tidy(work, unused_s=60)
    assert place.mirror().exists()
    grow_old(place.mirror())
    await place.checkout.tidy(work, unused_s=60)
    assert place.git("cat-file", "-t", hash) == "commit"
    remove_tree(place.workspace)
    await place.checkout.tidy(work, unused_s=60)
    assert list(place.mirror().parent.iterdir()) == []
    assert (await place.make("main")).commit_hash == hash


async def test_a_use_is_noted_also_of_a_known_hash(place: Place) -> None:
    """Its repository is not asked, but the mirror is used."""
    hash = (await place.make("main")).commit_hash
    grow_old(place.mirror())
    await place.make(hash)
    remove_tree(place.workspace)
    await place.checkout.tidy(place.workspace.parent, unused_s=60)
    assert place.mirror().exists()


async def test_who_builds_a_commit_again_starts_git_once(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a hash is was said the first time; only the files are still to be brought."""
    commit = place.repository.commit({"file": "text"}, "The subject")
    first = await place.make(commit)
    said = tmp_path / "said"
    real = shutil.which("git")
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f'#!/bin/sh\necho "$@" >>{said}\nexec {real} "$@"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    assert await place.make(commit) == first
    (line,) = said.read_text().splitlines()
    assert " checkout " in line


async def test_room_is_given_by_the_oldest_first(place: Place, tmp_path: Path) -> None:
    """One at a time; what is borrowed from stays to the end."""
    work = place.workspace.parent
    paths = {}
    for name in ("old", "older", "borrowed"):
        url = str(place.repository.bare(tmp_path / f"{name}.git"))
        await place.checkout.make(url, "main", work / name, COOKIE)
        paths[name] = place.mirror().with_name(mirrors.mirror_name(url))
    for name, age_s in (("old", 1e4), ("older", 2e4), ("borrowed", 3e4)):
        grow_old(paths[name], age_s)
    for name in ("old", "older"):
        remove_tree(work / name)
    left = []
    while await place.checkout.give_room(work):
        left.append([name for name, path in paths.items() if path.exists()])
    assert left == [["old", "borrowed"], ["borrowed"]]


async def test_a_crowded_mirror_is_repacked_and_nothing_is_lost(place: Place) -> None:
    """Not even a commit that no branch holds any more: a workspace may need it."""
    await place.make("main")
    lost = place.repository.commit({"lost": "lost\n"})
    await place.make("main")
    place.repository.git("reset", "--quiet", "--hard", "HEAD~1")
    for number in range(bare.MAX_PACKS + 1):
        place.repository.commit({f"{number}": f"{number}\n"})
        arguments = ["-c", "fetch.unpackLimit=1", "fetch", "--quiet", str(place.repository.path)]
        subprocess.run(["git", *arguments, "main"], cwd=place.mirror(), check=True)  # noqa: ASYNC221 - nobody else runs
    packs = place.mirror() / "objects" / "pack"
    assert len(list(packs.glob("*.pack"))) > bare.MAX_PACKS
    (packs / "tmp_pack_killed").touch()
    await place.checkout.tidy(place.workspace.parent, unused_s=YEAR_S)
    assert len(list(packs.glob("*.pack"))) < 5
    assert not (packs / "tmp_pack_killed").exists()
    place.git("fsck")
    place.repository.path.rename(place.repository.path.with_name("moved"))
    assert (await place.make(lost)).commit_hash == lost


async def test_leftovers_of_a_killed_agent_go(place: Place) -> None:
    """Of mirrors that the next life has not used yet, too."""
    await place.make("main")
    folder = place.mirror().parent
    (folder / f"{place.mirror().name}{mirrors.NEW_SUFFIX}" / "objects").mkdir(parents=True)
    (folder / ".gone-0-x.git" / "objects").mkdir(parents=True)
    part = place.mirror() / "objects" / "pack" / "tmp_pack_x"
    part.touch()
    await GitCheckout(folder).tidy(place.workspace.parent, unused_s=YEAR_S)
    assert list(folder.iterdir()) == [place.mirror()]
    assert not part.exists()


async def test_what_a_build_does_to_its_git_folder_holds_up_nothing(place: Place) -> None:
    """A pipe that nobody writes to, bytes that are no text, no file at all."""
    work = place.workspace.parent
    ways: list[Callable[[Path], object]] = [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.write_bytes(b"\xff\0"),
    ]
    for number, spoil in enumerate(ways):
        info = work / f"{number}.1.1" / ".git" / "objects" / "info"
        info.mkdir(parents=True)
        spoil(info / "alternates")
    await place.make("main")
    grow_old(place.mirror())
    remove_tree(place.workspace)
    with trio.fail_after(60):
        await place.checkout.tidy(work, unused_s=60)
    assert not place.mirror().exists()
