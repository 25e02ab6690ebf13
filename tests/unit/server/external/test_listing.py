"""A list is read no further than it has to be."""

from __future__ import annotations

from typing import Any

from trio.testing import MockClock

from ci.server.external.listing import MOST_ROWS, Listing
from ci.server.external.there import Page, read_list
from tests.unit.server.external.test_there import BUILD


def _page(first: int, **change: Any) -> Page:
    rows = [
        {**BUILD, "id": str(n), "buildNumber": n, **change} for n in range(first, first - 25, -1)
    ]
    return read_list({"data": rows})


async def test_a_list_without_end_is_left(autojump_clock: MockClock) -> None:
    """Also where nothing of it can be read; why is said."""
    for change in ({}, {"status": "Error"}):
        asked: list[int] = []

        async def ask(offset: int, change: Any = change, asked: list[int] = asked) -> Page:
            asked.append(offset)
            return _page(10**9 - offset, **change)

        listing = Listing(ask)
        builds = await listing.read()
        assert (len(asked), len(builds)) == (MOST_ROWS // 25, 0 if change else MOST_ROWS)
        assert listing.problem
        assert listing.pause_s == len(asked), "so it is left alone for a while"


async def test_what_was_not_taken_is_read_again(autojump_clock: MockClock) -> None:
    """The whole of it: only when all that follows was done only what is new is read."""
    asked: list[int] = []

    async def ask(offset: int) -> Page:
        asked.append(offset)
        return _page(1000 - offset, status="Waiting") if offset < 1000 else Page((), [])

    listing = Listing(ask)
    for _ in range(2):
        asked.clear()
        builds = await listing.read()
        assert len(asked) == 41
    listing.took(builds, ())
    assert listing.pause_s == 0
    asked.clear()
    await listing.read()
    assert asked == [0]
