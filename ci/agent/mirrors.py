"""All mirrors of an agent: which there are, and which of them go.

A mirror goes when no build has used it for long, or when the disk is short: then the one that was
not used for longest. None goes that a checkout works with or a workspace borrows from.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import structlog

from ci import blocking
from ci.agent.bare import USED
from ci.agent.borrowed import borrowed
from ci.agent.mirror import NEW_SUFFIX, Mirror, mirror_name
from ci.agent.mounts import check_ours
from ci.agent.removal import is_aside, remove_or_leave, set_aside

_SUFFIX: Final = ".git"

log = structlog.get_logger()


class Mirrors:
    """The mirrors in `folder`. This agent is the only one to change them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, Mirror] = {}

    def of(self, url: str) -> Mirror:
        """Return the mirror of `url`, which need not be there yet."""
        mirror = self._at(self._folder / mirror_name(url))
        mirror.url = url
        return mirror

    async def tidy(self, work: Path, unused_s: float) -> None:
        """Remove what was not used for `unused_s` seconds, and maintain the others.

        Raises OSError, also when something was mounted over all of them.
        """
        await blocking.run(check_ours, self._folder)
        await blocking.run(_remove_leftovers, self._folder, self._busy())
        now = time.time()
        for path, used_at in await blocking.run(_by_last_use, self._folder):
            try:
                if now - used_at > unused_s:
                    await self._remove_unless_needed(path, work)
                else:
                    await self._at(path).maintain()
            except OSError as error:  # such as what a build has mounted there; the others are ours
                log.error("mirror not tidied", mirror=path.name, error=str(error))

    async def give_room(self, work: Path) -> bool:
        """Remove the mirror that was not used for longest; whether there was one to remove."""
        for path, _ in await blocking.run(_by_last_use, self._folder):
            try:
                if await self._remove_unless_needed(path, work):
                    return True
            except OSError as error:
                log.error("mirror not removed", mirror=path.name, error=str(error))
        return False

    async def _remove_unless_needed(self, path: Path, work: Path) -> bool:
        mirror = self._at(path)
        uses = mirror.uses
        needed = await blocking.run(borrowed, work)
        if path in needed or mirror.making or mirror.uses != uses:
            return False
        aside = set_aside(path)  # before anybody else has a turn
        log.info("mirror removed", mirror=path.name)
        await blocking.run(remove_or_leave, aside)
        return True

    def _at(self, path: Path) -> Mirror:
        """Return the mirror in `path`; its URL is known as soon as a build names it."""
        return self._known.setdefault(path, Mirror(path, url=""))

    def _busy(self) -> set[Path]:
        return {path for path, mirror in self._known.items() if mirror.making}


def _by_last_use(folder: Path) -> list[tuple[Path, float]]:
    """List mirrors with the time of their last use, the oldest first."""
    found = []
    for path in folder.glob("*" + _SUFFIX):
        if not is_aside(path):
            mark = path / USED
            found.append((path, (mark if mark.exists() else path).stat().st_mtime))
    return sorted(found, key=lambda pair: pair[1])


def _remove_leftovers(folder: Path, busy: set[Path]) -> None:
    """Remove what was set aside, and new mirrors that were never put into their place."""
    for path in list(folder.iterdir()) if folder.exists() else ():
        unfinished = path.name.endswith(NEW_SUFFIX)
        if is_aside(path) or (unfinished and path.with_suffix("") not in busy):
            remove_or_leave(path)
