"""Listing: how far down the storage's list is read, and how often.

A look reads what is new. Now and then one reads further, down to the number up to which all is
settled: what stands between the two may be canceled there, or have been missed in a list that
shifted. The more pages that takes, the more rarely it is done.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import trio

from ci.server.external.client import PAGE
from ci.server.external.scan import settled
from ci.server.external.there import Page, There

MOST_ROWS: Final = 25_000  # of one look; a build below so many newer ones nobody waits for
CALL_S: Final = 1.0  # for each call of a long look; five fit between two looks


class Listing:
    """The list of one storage, read page by page by `ask`, which is given an offset."""

    def __init__(self, ask: Callable[[int], Awaitable[Page]]) -> None:
        self._ask = ask
        self._calls = 0  # of the last look, but for a whole one that did what it should
        self.problem = ""  # why not all that was read could be
        self.forget()

    def forget(self) -> None:
        """Begin anew, since it is the list of another configuration."""
        self._settled = 0  # up to this number nothing will follow from any build
        self._nearly_settled = 0  # the same, by the last whole look alone
        self._newest = 0  # that a look has seen to its end
        self._whole_at = -math.inf  # when it is read down to what is settled, in trio's seconds
        self._is_whole = True  # the look that was begun last

    @property
    def pause_s(self) -> float:
        """For how many seconds the storage is left alone after this look."""
        return self._calls * CALL_S

    async def read(self) -> list[There]:
        """Read what is new, or when it is time for that all that is not settled."""
        self._is_whole = trio.current_time() >= self._whole_at
        floor = self._settled if self._is_whole else self._newest
        builds: dict[str, There] = {}
        before: list[Any] = []
        offset, self._calls, self.problem = 0, 0, ""
        while offset < MOST_ROWS:
            page = await self._ask(offset)
            self._calls += 1
            self.problem = self.problem or page.problem
            # Who knows no offset would answer the same page for ever.
            seen = all(build.origin.id in builds for build in page.builds)
            again = page.rows == before or (seen and len(page.builds) == page.length)
            builds |= {build.origin.id: build for build in page.builds}
            offset += page.length
            reached = any(build.origin.number <= floor for build in page.builds)
            if page.length < PAGE or again or reached:
                break
            before = page.rows
        else:
            self.problem = self.problem or f"only the newest {offset} builds are looked at"
        return [*builds.values()]

    def took(self, builds: Collection[There], ours: Collection[str]) -> None:
        """Note that all was done that follows from what was read; `ours` are ids of open ones."""
        self._newest = max([self._newest, *(build.origin.number for build in builds)])
        if not self._is_whole:
            return
        # A list that shifts while it is read may lack a build; hardly the same one twice.
        now_settled = settled(builds, ours)
        self._settled = max(self._settled, min(now_settled, self._nearly_settled))
        self._nearly_settled = now_settled
        self._whole_at = trio.current_time() + self._calls * CALL_S
        self._calls = 0
