"""A data folder that others remove, and take."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ci import blocking
from ci.datafolder import LOCK_NAME, LOOK_S, HeldFolder, hold_folder
from ci.errors import ConfigError


@pytest.fixture(autouse=True)
def blocking_inline() -> Iterator[None]:
    """Do blocking work on the spot: a thread would let the mock clock leap."""
    with blocking.inline():
        yield


async def serve_for_a_while(held: HeldFolder) -> None:
    """Let it look a few times."""
    with trio.move_on_after(3.5 * LOOK_S):
        await held.serve()


def test_two_do_not_have_it(tmp_path: Path) -> None:
    """Until the first one lets it go."""
    with hold_folder(tmp_path), pytest.raises(ConfigError, match="another process uses it"):
        HeldFolder(tmp_path)
    HeldFolder(tmp_path).close()


async def test_removed_it_is_made_again_and_still_ours(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A second agent started there is refused as before."""
    folder = tmp_path / "data"
    with hold_folder(folder) as held:
        shutil.rmtree(folder)
        await serve_for_a_while(held)
        assert folder.is_dir()
        with pytest.raises(ConfigError):
            HeldFolder(folder)
    HeldFolder(folder).close()


async def test_taken_by_another_it_is_given_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Two in one folder would remove each other's files."""
    with hold_folder(tmp_path) as held:
        (tmp_path / LOCK_NAME).unlink()
        with hold_folder(tmp_path), pytest.raises(ConfigError, match="another process uses it"):
            await held.serve()


async def test_what_can_not_be_made_is_tried_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A disk that is read-only for a while ends nothing."""
    folder = tmp_path / "data"
    with hold_folder(folder) as held:
        shutil.rmtree(folder)
        folder.touch()
        await serve_for_a_while(held)
        folder.unlink()
        await serve_for_a_while(held)
        assert folder.is_dir()


async def test_who_waits_for_its_removal_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Also when another folder stands in its place; what is only touched is not removed."""
    folder = tmp_path / "data"
    with hold_folder(folder) as held:
        (folder / LOCK_NAME).touch()
        with trio.move_on_after(3.5 * LOOK_S) as limit:
            await held.wait_removed()
        assert limit.cancelled_caught
        shutil.rmtree(folder)
        HeldFolder(folder).close()
        await held.wait_removed()
