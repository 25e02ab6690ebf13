"""Keeps the agent's disk tidy: what belongs to no attempt goes, and so do mirrors nobody uses.

A round begins at the start, then each CLEAN_S, and as often as each LOOK_S while the disk is short.
What can't be removed now is tried again in each round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent.bubblewrap import SCRATCH
from ci.agent.checkout import Checkout
from ci.agent.mounts import OURS, Ground, check_ours
from ci.agent.removal import remove_tree, set_aside
from ci.agent.room import Room
from ci.agent.spool import JOB

LOOK_S: Final = 5.0  # between two looks at the free space
CLEAN_S: Final = 600.0  # between two rounds when there is space enough
DAY_S: Final = 86_400.0

log = structlog.get_logger()


class Cleaning:
    """The tidiness of one data folder. `names` tells the folders of the attempts that there are."""

    def __init__(
        self,
        ground: Ground,
        names: Callable[[], set[str]],
        checkout: Checkout,
        room: Room,
        keep_mirrors_days: float,
    ) -> None:
        self._ground = ground
        self._spool = ground.data_dir / "spool"
        self._work = ground.data_dir / "work"
        self._names = names
        self._checkout = checkout
        self._room = room
        self._keep_mirrors_s = keep_mirrors_days * DAY_S
        self._stuck: set[str] = set()  # what could not be removed, and was said so

    async def serve(self) -> None:
        """Clean now and then; never returns."""
        cleaned_at = None
        while True:
            now = trio.current_time()
            await self._room.look()
            if cleaned_at is None or now - cleaned_at >= CLEAN_S or self._room.short:
                cleaned_at = now
                await self._clean()
            await trio.sleep(LOOK_S)

    async def _clean(self) -> None:
        """Do one round. What the disk refuses is said and left to the next one."""
        try:
            await blocking.run(self._ground.check)
            await self._remove_leftovers(self._work, _everything)
            await self._remove_leftovers(self._spool, _without_job)
            await self._checkout.tidy(self._work, unused_s=self._keep_mirrors_s)
            while self._room.short and await self._checkout.give_room(self._work):
                await self._room.look()
        except OSError as error:
            log.error("not cleaned", error=str(error), again_in_s=CLEAN_S)

    async def _remove_leftovers(
        self, folder: Path, candidates: Callable[[Path], list[Path]]
    ) -> None:
        try:
            found = await blocking.run(candidates, folder)
        except OSError as error:  # once, not for each entry of what was mounted over it
            self._say_stuck(folder, error)
            return
        known = self._names()
        # Put aside before anybody else has a turn: an attempt of that name may begin right now.
        aside = [
            self._put_aside(path) for path in found if path.name.removesuffix(SCRATCH) not in known
        ]
        await blocking.run(self._remove, [path for path in aside if path is not None])

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            try:
                remove_tree(path)
            except OSError as error:
                self._say_stuck(path, error)

    def _put_aside(self, path: Path) -> Path | None:
        """Set it aside, unless its attempt has removed it since our look, or it is a mount."""
        try:
            return set_aside(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._say_stuck(path, error)
            return None

    def _say_stuck(self, path: Path, error: OSError) -> None:
        """Say once that a build has left what can't be removed, such as a mount."""
        if path.name not in self._stuck:
            log.error("not removed", path=str(path), error=str(error))
        self._stuck.add(path.name)


def _everything(folder: Path) -> list[Path]:
    """List a folder of ours. Raises OSError, also when something was mounted over it."""
    check_ours(folder)
    found = folder.iterdir() if folder.exists() else ()
    return [path for path in found if path.name != OURS]


def _without_job(folder: Path) -> list[Path]:
    """Find what was never answered. What has a job that can't be read is left to a person."""
    return [p for p in _everything(folder) if p.is_dir() and not (p / JOB).exists()]
