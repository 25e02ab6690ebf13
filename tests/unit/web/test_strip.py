"""The strip of results: a bar for each, which leads to its build and tells its end by its form."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import httpx
from hypothesis import given
from hypothesis import strategies as st

from ci.config import ServerConfig
from ci.model import Build, Status
from ci.web.strip import COUNT, LEAST, TALLEST, WIDTH, strip
from tests.fakes.core import START, FakeCore
from tests.unit.web.checks import ask, check, poll
from tests.unit.web.conftest import BROWSER, HTMX, open_client

ENDS = [status for status in Status if status.ended]


def build(number: int, status: Status, duration_s: float | None) -> Build:
    """A build that has ended."""
    return Build(
        number=number,
        repository="web",
        repository_url="/srv/web",
        commit="main",
        command="make",
        priority=0,
        status=status,
        created_at=START,
        duration_s=duration_s,
    )


def test_by_hand() -> None:
    """The oldest on the left; height by duration, where three times the usual is as high as any."""
    shown = strip(
        [
            build(9, Status.ERROR, 3600.0),
            build(8, Status.CANCELED, None),
            build(7, Status.FAILURE, 90.0),
            build(5, Status.SUCCESS, 60.0),
        ]
    )
    assert [(bar.number, bar.x, bar.height, bar.words) for bar in shown.bars] == [
        (5, 0, 11, "#5 success, 1 min 0 s"),
        (7, 9, 15, "#7 failure, 1 min 30 s"),
        (8, 18, LEAST, "#8 canceled"),
        (9, 27, TALLEST, "#9 error, 1 h 0 min"),
    ]
    assert shown.words == "The last results: 1 success, 1 failure, 1 error, 1 canceled"
    assert shown.usual_s == 60.0
    assert strip([]).bars == ()


@given(
    ends=st.lists(
        st.tuples(st.sampled_from(ENDS), st.none() | st.floats(0, 1e9)), max_size=COUNT + 5
    )
)
def test_every_bar_is_inside(ends: list[tuple[Status, float | None]]) -> None:
    """Whatever took how long; the newest ones, if there are too many."""
    builds = [build(1000 - nth, *end) for nth, end in enumerate(ends)]
    bars = strip(builds).bars
    assert [bar.number for bar in bars] == [one.number for one in builds[:COUNT]][::-1]
    for before, bar in zip((None, *bars), bars, strict=False):
        assert LEAST <= bar.height <= TALLEST
        assert 0 <= bar.x < WIDTH
        assert before is None or before.x < bar.x


async def _ended(client: httpx.AsyncClient, core: FakeCore, repository: str) -> None:
    """Let four builds of a repository end, each in its way, and two more begin or wait."""
    for status in (Status.SUCCESS, Status.FAILURE, Status.ERROR, Status.CANCELED, None, None):
        await ask(client, repository=repository)
        number = max(core.numbers)
        if status is not None:
            core.start(number, "elm" if status is Status.ERROR else "oak")
            assert core.clock is not None
            core.clock += timedelta(seconds=10)
            core.end(number, status, exit_code=0)


def _bars(html: str) -> list[str]:
    """The strip's words, and each bar's, after a check that it leads to its build."""
    found = re.findall(r'<nav class="strip" aria-label="([^"]*)">(.*?)</nav>', html, re.DOTALL)
    if not found:
        return []
    [(words, drawn)] = found
    bars = re.findall(r'<a id="r(\d+)" href="/build/(\d+)"><title>([^<]*)</title>', drawn)
    assert all(number == target for number, target, _ in bars)
    return [unescape(words), *(title for *_, title in bars)]


async def test_a_repository_has_its_results_on_top(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """With one repository on the start page; kept by status and page; new with each end."""
    await _ended(client, core, "")
    page = await client.get("/", headers=BROWSER)
    bars = _bars(check(page))
    assert bars == [
        "The last results: 1 success, 1 failure, 1 error, 1 canceled",
        "#1 success, 10 s", "#2 failure, 10 s", "#3 error, 10 s", "#4 canceled, 10 s",
    ]  # fmt: skip
    for path in ("/?status=failure", "/?before=3"):
        assert _bars(check(await client.get(path))) == bars
    assert _bars(check(await client.get("/?agent=elm"))) == [
        "The last results: 1 error", "#3 error, 10 s"
    ]  # fmt: skip
    assert _bars(check(await client.get("/?q=make"))) == []
    core.start(5)
    core.end(5, Status.SUCCESS, exit_code=0)
    told = await client.get(poll(page.text, "builds"), headers=HTMX)
    assert _bars(told.text)[-1] == "#5 success, 0.0 s"


async def test_several_repositories_have_none_in_common() -> None:
    """Their durations have nothing to do with each other."""
    config = {"repositories": {"web": "/srv/web", "api": "/srv/api"}}
    core = FakeCore(ServerConfig.check(config))
    async with open_client(core) as client:
        await _ended(client, core, "web")
        await _ended(client, core, "api")
        assert _bars(check(await client.get("/"))) == []
        assert "#7 success, 10 s" in _bars(check(await client.get("/?repository=api")))
        assert "#1 success, 10 s" not in _bars(check(await client.get("/?repository=api")))


async def test_forms_tell_ends_apart(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Without any colour no two statuses have the same drawing."""
    await _ended(client, core, "")
    html = check(await client.get("/", headers=BROWSER))
    drawn = re.findall(r'<a id="r\d+".*?</title>(.*?)</a>', html, re.DOTALL)
    without = [re.sub(r'class="[^"]*"|\d+(\.\d+)?', "", one).split() for one in drawn]
    assert len({" ".join(one) for one in without}) == len(ENDS)
