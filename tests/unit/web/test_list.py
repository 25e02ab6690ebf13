"""The list: filters are links that combine and can be taken away, and lines say all at a glance."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import httpx
import pytest

from ci.config import ServerConfig
from ci.model import Reason, Status
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask, check, poll
from tests.unit.web.conftest import BROWSER, HTMX


@pytest.fixture
def core() -> FakeCore:
    """A core with two repositories."""
    config = {"repositories": {"web": "/srv/web", "api": "/srv/api"}}
    return FakeCore(ServerConfig.check(config))


def numbers(html: str) -> list[int]:
    """The builds of a list, as they stand there."""
    return [int(number) for number in re.findall(r'<tr id="b(\d+)"', html)]


def links(html: str) -> list[str]:
    """All addresses that the list leads to."""
    return [unescape(url) for url in re.findall(r'<a [^>]*href="([^"]*)"', html)]


async def end(core: FakeCore, number: int, status: Status, **described: str) -> None:
    """Run a build."""
    core.start(number)
    core.describe(number, **described)
    core.end(number, status, exit_code=0)


async def test_filters_combine_by_links(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Repository, branch, agent and status of a line lead on; each is a chip that takes it away."""
    for repository in ("web", "api", "web"):
        await ask(client, repository=repository)
    await end(core, 1, Status.SUCCESS, branch="topic/ü&1", commit_hash="1" * 40)
    await end(core, 2, Status.FAILURE, branch="main", commit_hash="2" * 40)
    html = check(await client.get("/", headers=BROWSER))
    assert html.count('class="repo"') == 3
    by_branch = next(url for url in links(html) if "branch=topic" in url)
    assert "repository=web" in by_branch
    html = check(await client.get(by_branch))
    assert numbers(html) == [1]
    assert 'class="repo"' not in html, "the filter says it"
    both = next(url for url in links(html) if "status=failure" in url)
    assert "branch=topic" in both
    html = check(await client.get(both))
    assert "No build matches" in html
    chips = re.findall(r'<li><a href="([^"]*)"[^>]*>(\w+) <b>([^<]*)</b>', html)
    assert {(name, unescape(value)) for _, name, value in chips} == {
        ("status", "failure"), ("repository", "web"), ("branch", "topic/ü&1"),
    }  # fmt: skip
    without = {name: unescape(url) for url, name, _ in chips}
    assert numbers(check(await client.get(without["status"]))) == [1]
    html = check(await client.get("/?agent=oak"))
    assert numbers(html) == [2, 1]
    assert 'name="agent" value="oak"' in html


async def test_counts_are_those_of_the_filters(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Of all statuses, whichever is shown; where not all was counted, that is said."""
    for repository in ("web", "api", "web"):
        await ask(client, repository=repository)
    await end(core, 1, Status.SUCCESS)

    async def counted(address: str) -> list[tuple[str, str]]:
        html = check(await client.get(address))
        [nav] = re.findall(r'<nav class="filters".*?</nav>', html, re.DOTALL)
        found = re.findall(r"(\w+)(?: <b>([^<]*)</b>)?</a>", nav)
        return [(word, count) for word, count in found]

    assert await counted("/") == [
        ("all", "3"), ("failure", ""), ("error", ""), ("running", ""), ("waiting", "2"),
        ("success", "1"), ("canceled", ""),
    ]  # fmt: skip
    waiting = ("waiting", "1")
    assert {("all", "1"), waiting} < set(await counted("/?repository=api"))
    assert {("all", "2"), waiting} < set(await counted("/?q=srv/web&status=success"))
    assert "counted from" not in (await client.get("/?q=web")).text
    core.max_count, core.looked_to = 1, 7
    found = await counted("/?branch=topic")
    assert {("all", "0"), ("waiting", "")} < set(found)
    assert {("all", "2+"), ("waiting", "1+")} < set(await counted("/?repository=web"))
    assert "counted from #7 on" in (await client.get("/?q=api")).text


async def test_pages_turn_both_ways(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Older, newer, newest; the newest page is a full one, and live."""
    for _ in range(120):
        await ask(client)
    html = check(await client.get("/"))
    assert "newest" not in html
    html = check(await client.get("/?before=71"))
    assert numbers(html) == list(range(70, 20, -1))
    assert {"/", "/?after=70", "/?before=21"} <= set(links(html))
    html = check(await client.get("/?after=20"))
    assert numbers(html) == list(range(70, 20, -1))
    html = check(await client.get("/?after=110"))
    assert numbers(html) == list(range(120, 70, -1))
    assert "after=" not in poll(html, "builds")
    core.looked_to = 90
    html = check(await client.get("/?q=nothing"))
    assert "down to #90" in html


async def test_who_wants_pages_of_another_length_gets_all_of_them_so(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Older and newer ones, those of a filter, what is found, the next look, and the way back."""
    for _ in range(9):
        await ask(client)
    html = check(await client.get("/?limit=2&before=6"))
    assert numbers(html) == [5, 4]
    assert {"/?limit=2", "/?after=5&limit=2", "/?before=4&limit=2"} <= set(links(html))
    assert "/?status=waiting&limit=2" in links(html)
    assert "limit=2" in poll(html, "builds")
    assert '<input type="hidden" name="limit" value="2">' in html
    cancel = next(url for url in re.findall(r'action="([^"]*)"', html) if "/5/cancel" in url)
    back = (await client.post(unescape(cancel))).headers["Location"]
    assert back == "/?before=6&limit=2#b5"
    assert "/?status=waiting" in links(check(await client.get("/?limit=50")))


async def test_the_same_commit_is_said_once(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Under the line that has its subject; of another repository it is another commit."""
    for repository in ("api", "web", "web", "web"):
        await ask(client, repository=repository)
    for number in (1, 2, 3):
        await end(core, number, Status.SUCCESS, commit_hash="a" * 40, subject="Mend <it>")
    html = check(await client.get("/"))
    assert html.count("same commit") == 1
    assert re.findall(r'<tr id="b(\d)" class="\w+ same"', html) == ["2"]
    assert html.count(">Mend &lt;it&gt;</a>") == 2


async def test_a_line_of_the_same_commit_without_a_branch_says_so(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Else it would look as if it were of the branch above it."""
    for number, branch in ((1, ""), (2, "main")):
        await ask(client, repository="web")
        await end(core, number, Status.SUCCESS, commit_hash="a" * 40, branch=branch)
    html = check(await client.get("/"))
    assert html.count("same commit") == html.count("<span>no branch</span>") == 1


@pytest.mark.parametrize(
    ("status", "reason", "leads"),
    [
        (Status.FAILURE, Reason.EXITED, True),
        (Status.ERROR, Reason.TIMEOUT, True),
        (Status.ERROR, Reason.SILENCE, True),
        (Status.ERROR, Reason.CHECKOUT_FAILED, False),
        (Status.SUCCESS, Reason.EXITED, False),
    ],
)
async def test_a_line_leads_to_why_it_is_red(
    client: httpx.AsyncClient, core: FakeCore, status: Status, reason: Reason, leads: bool
) -> None:
    """Also where what is missing says why: it hung there."""
    await ask(client, repository="web")
    core.start(1)
    core.end(1, status, reason)
    assert ("/build/1/why" in check(await client.get("/"))) == leads


async def test_cancel_and_front_from_the_list(client: httpx.AsyncClient, core: FakeCore) -> None:
    """The reader stays in the list, at the line, with the filters; nothing else is believed."""
    for _ in range(3):
        await ask(client)
    core.start(1)
    html = check(await client.get("/?status=waiting"))
    actions = [unescape(url) for url in re.findall(r'method="post" action="([^"]*)"', html)]
    assert len(actions) == 5  # Run; and two for each of two that wait
    cancel = next(url for url in actions if url.startswith("/build/3/cancel"))
    answer = await client.post(cancel)
    assert answer.headers["Location"] == "/?status=waiting#b3"
    assert numbers(check(await client.get("/?status=waiting"))) == [2]
    front = next(url for url in actions if url.startswith("/build/2/front"))
    assert (await client.post(front)).headers["Location"] == "/?status=waiting#b2"
    for back in ("//evil.example", "x=1&status=%0d%0aSet-Cookie:+a", "&".join(["q=%ff"] * 2000)):
        answer = await client.post("/build/1/cancel", params={"back": back})
        assert answer.headers["Location"].startswith("/?")
        assert "\n" not in answer.headers["Location"]
    assert (await client.post("/build/1/cancel")).headers["Location"] == "/build/1"


async def test_a_running_line_has_a_bar(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Against what such builds take; without one nothing is known of them."""
    await ask(client)
    core.start(1)
    page = await client.get("/", headers=BROWSER)
    assert "<progress" not in page.text
    core.typical = {"make test": 100.0}
    assert core.clock is not None
    core.clock = core.clock.replace(second=52)
    answer = await client.get(poll(page.text, "builds"), headers=HTMX)
    assert 'max="100.0" value="30"' in answer.text
    core.typical = {"make test": 1e6}
    core.clock += timedelta(days=1)
    answer = await client.get(poll(page.text, "builds"), headers=HTMX)
    assert 'max="1000000.0" value="86430"' in answer.text
    core.end(1, Status.SUCCESS, exit_code=0)
    assert "<progress" not in check(await client.get("/"))


async def test_a_line_tells_that_its_build_is_overdue(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """In words and by the bar, and only if it is clearly so."""
    core.typical = {"make test": 100.0}
    await ask(client)
    core.start(1)
    assert core.clock is not None
    for gone_s, words in ((119, None), (120, "over by 20 s"), (225, "over by 2 min 5 s")):
        now, core.clock = core.clock, core.clock + timedelta(seconds=gone_s)
        html = check(await client.get("/", params={"q": "make", "nth": gone_s}))
        core.clock = now
        assert re.findall(r"over by [\w ]+", html) == ([words] if words else [])
        assert ('<progress class="over"' in html) == (words is not None)
    assert 'max="225" value="100.0"' in html


async def test_another_branch_of_the_same_commit_is_said(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Or its row would read as if it belonged to that of the row above."""
    for number, branch in enumerate(("main", "main", "feature"), 1):
        await ask(client)
        core.describe(number, commit_hash="a" * 40, branch=branch)
    rows = re.findall(r'<tr id="b\d".*?</tr>', check(await client.get("/")), re.DOTALL)
    branches = [re.findall(r'class="branch"[^>]*>(.*?)<', row) for row in rows]
    assert branches == [["feature"], ["main"], []]


async def test_the_title_tells_the_newest_end(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Beside how many run: it is what one sees of a tab that is not open."""
    assert "<title>Builds ·" in check(await client.get("/"))
    for number, status in ((1, Status.SUCCESS), (2, Status.FAILURE), (3, Status.CANCELED)):
        await ask(client)
        core.start(number)
        core.end(number, status)
    assert "<title>failure · Builds ·" in check(await client.get("/"))
    await ask(client)
    core.start(4)
    assert "<title>failure · 1 running · Builds ·" in check(await client.get("/"))


async def test_only_the_newest_builds_give_the_tab_its_state(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """An older page would tell of long ago, and that of one status always the same."""
    for number, status in ((1, Status.SUCCESS), (2, Status.FAILURE)):
        await core.submit(repository=None, commit="main", command="make")
        core.end(number, status)
    for address, title, icon in (
        ("/", "failure · Builds", "favicon-failure.svg"),
        ("/?before=2", "Builds", "favicon.svg"),
        ("/?status=failure", "Builds", "favicon.svg"),
    ):
        html = (await client.get(address, headers=BROWSER)).text
        assert f"<title>{title} · nursery-ci</title>" in html
        assert f"/static/{icon}?" in html
