"""When each line came is shown to who wants it, since the attempt began, and exactly on hover."""

from __future__ import annotations

import re

import httpx
import pytest

from ci.model import Status
from ci.web.logclock import since_start
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask, check, poll
from tests.unit.web.conftest import HTMX


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "+0.0"), (12_345, "+12.3"), (59_999, "+59.9"), (60_000, "+1:00.0"),
        (123_456, "+2:03.4"), (3_600_000, "+1:00:00.0"), (100 * 3_600_000, "+100:00:00.0"),
    ],
)  # fmt: skip
def test_a_time_is_short(ms: int, words: str) -> None:
    """Seconds, then minutes, then hours."""
    assert since_start(ms) == words


def times(html: str) -> list[str]:
    """What stands beside the lines."""
    return re.findall(r"<small[^>]*>([^<]*)</small>", html)


async def test_each_line_has_the_time_of_its_piece(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """On demand; a tail knows that it is wanted, and so do links in the log."""
    await ask(client)
    id = core.start(1)
    core.print(id, b"untold\n")
    core.print(id, b"one\ntwo\n", 500)
    html = check(await client.get("/build/1"))
    assert times(html) == []
    [url] = re.findall(r'<a href="([^"]*)"[^>]*>times</a>', html)
    html = check(await client.get(url))
    assert times(html) == ["", "+0.5", "+0.5"]
    assert 'title="21 Nov 2026, 14:03:22 UTC"' in html
    assert "/build/1?times=1&amp;line=2#L2" in html
    core.print(id, b"three\n", 61_000)
    answer = await client.get(poll(html, "log"), headers=HTMX)
    assert times(answer.text) == ["+1:01.0"]
    assert ">no times</a>" in html


async def test_a_log_that_came_in_one_piece_says_so(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Instead of a column without a word."""
    await ask(client)
    core.print(core.start(1), b"one\n")
    core.end(1, Status.SUCCESS)
    html = check(await client.get("/build/1?times=1"))
    assert "nobody knows when its lines were printed" in html
    assert "<small" not in html
    assert "nobody knows" not in check(await client.get("/build/1"))
