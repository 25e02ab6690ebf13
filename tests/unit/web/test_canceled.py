"""The page of a canceled build whose agent has yet to bring the end of the log."""

from __future__ import annotations

import httpx

from tests.fakes.core import FakeCore


async def test_it_loads_itself_until_the_log_is_at_its_end(
    core: FakeCore, client: httpx.AsyncClient
) -> None:
    """Also without JavaScript; only the log's part goes on asking."""
    await core.submit(repository=None, commit="main", command="make")
    core.print(core.start(1), b"begin\n")
    await core.cancel(1)
    page = (await client.get("/build/1?refresh=1")).text
    assert 'http-equiv="refresh"' in page
    assert page.count("part=log") == 1
    assert "part=head" not in page
    core.close_log(1)
    page = (await client.get("/build/1?refresh=1")).text
    assert 'http-equiv="refresh"' not in page
    assert "hx-get" not in page.partition('id="log"')[2]
    assert "did not arrive" not in page


async def test_it_says_that_the_end_of_the_log_is_missing(
    core: FakeCore, client: httpx.AsyncClient
) -> None:
    """Its agent was given up: nobody shall take what is there for all of it."""
    await core.submit(repository=None, commit="main", command="make")
    core.print(core.start(1), b"begin\n")
    await core.cancel(1)
    core.close_log(1, arrived=False)
    assert "The end of the log did not arrive." in (await client.get("/build/1")).text
