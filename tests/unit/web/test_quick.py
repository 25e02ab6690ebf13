"""What is answered before Quart is what Quart would have answered, to the last header."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from ci.model import Status
from ci.web.app import create_app
from ci.web.shared import EXTENSION
from tests.fakes.asgi import AppTransport
from tests.fakes.core import FakeCore
from tests.unit.web.conftest import BROWSER, HTMX
from tests.unit.web.polls import Reader

HOSTS = frozenset({"ci.test"})
COMMAND = "make test"


class Site:
    """An app that knows what it has answered, beside one that is let forget it each time."""

    def __init__(self) -> None:
        self.core = FakeCore()
        self.quick: list[str] = []  # routes of what was answered before Quart
        app = create_app(self.core, 1 << 20, HOSTS, self._tell)
        other = create_app(self.core, 1 << 20, HOSTS)
        for each in (app, other):  # on a busy machine their pages would ask more rarely
            each.extensions[EXTENSION]._since_s = math.inf
        self._client, self._other = _client(app), _client(other)
        self._known_to_other = other.extensions[EXTENSION]._known

    def _tell(self, route: str, took_s: float) -> None:
        assert took_s >= 0
        self.quick.append(route)

    async def ask(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        """Ask as htmx does, and check that an app which knows nothing says the same."""
        sent = HTMX | headers
        answer = await self._client.request(method, path, headers=sent)
        self._known_to_other.clear()
        other = await self._other.request(method, path, headers=sent)
        assert answer.status_code == other.status_code
        assert answer.headers.raw == other.headers.raw
        assert answer.content == other.content
        return answer

    async def open(self, path: str) -> Reader:
        """Open a page."""
        return Reader((await self._client.get(path, headers=BROWSER)).text)

    @contextmanager
    def before_quart(self, route: str | None) -> Iterator[None]:
        """Check that what is asked in the block is answered before Quart; None: by Quart."""
        self.quick.clear()
        yield
        assert self.quick == ([route] if route else [])


def _client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=AppTransport(app), base_url="http://ci.test")


@pytest.fixture
async def site() -> Site:
    """A site with a build that has ended, one that runs and prints, and one that waits."""
    site = Site()
    for _ in range(3):
        await site.core.submit(repository=None, commit="main", command=COMMAND)
    site.core.start(1)
    site.core.end(1, Status.SUCCESS)
    site.core.print(site.core.start(2), b"one\n")
    site.core.add_agent("oak")
    return site


PARTS = [
    ("/", "builds", "/"),
    ("/?status=waiting&q=main", "builds", "/"),
    ("/build/2", "head", "/build/<number:number>"),
    ("/build/2", "log", "/build/<number:number>"),
    ("/build/3", "head", "/build/<number:number>"),
    ("/build/3", "log", "/build/<number:number>"),
    ("/agents", "agents", "/agents"),
]


@pytest.mark.parametrize(("page", "part", "route"), PARTS)
async def test_no_news_is_told_before_quart(site: Site, page: str, part: str, route: str) -> None:
    """From the second question on, without a look into the store; a change is told at once."""
    reader = await site.open(page)
    url = reader.url(part)
    assert (await site.ask(url)).status_code == 204
    for _ in range(3):
        with site.before_quart(route):
            assert (await site.ask(url)).status_code == 204
    site.core.add_agent("birch")
    if part == "log" and "2" in page:
        site.core.print("2.1.1", b"two\n")
    with site.before_quart(None):
        assert (await site.ask(url)).status_code == 200


@pytest.mark.parametrize("path", ["/?part=builds", "/?part=builds&q=x", "/build/2?part=head"])
async def test_a_part_that_was_made_is_sent_before_quart(site: Site, path: str) -> None:
    """Whatever the page shows that asks; until something changes."""
    for _ in range(2):
        await site.ask(f"{path}&v=old")
        with site.before_quart("/build/<number:number>" if "build/" in path else "/"):
            answer = await site.ask(f"{path}&v=older")
        assert answer.status_code == 200
        await site.core.submit(repository=None, commit="x", command=COMMAND)
        site.core.describe(2, subject=f"after {len(answer.content)}")
        with site.before_quart(None):
            assert (await site.ask(f"{path}&v=old")).content != answer.content


async def test_that_somebody_is_there_is_told_before_quart(site: Site) -> None:
    """To every page alike, whatever has happened."""
    first = (await site.ask("/pulse")).text
    await act(site.core, "submit")
    await act(site.core, "tick")
    with site.before_quart("/pulse"):
        assert (await site.ask("/pulse")).text == first


@pytest.mark.parametrize("part", ["builds", "head"])
async def test_time_is_told_as_it_goes_by(site: Site, part: str) -> None:
    """Of what runs, with each tick of its part."""
    reader = await site.open("/" if part == "builds" else "/build/2")
    assert (await site.ask(reader.url(part))).status_code == 204
    assert site.core.clock is not None
    site.core.clock += timedelta(seconds=2)
    assert "2 s" in (await site.ask(reader.url(part))).text


async def test_a_log_that_grows_is_told_of_at_once(site: Site) -> None:
    """Bytes change no version."""
    url = (await site.open("/build/2")).url("log")
    for _ in range(2):
        assert (await site.ask(url)).status_code == 204
    site.core.print("2.1.1", b"two\n")
    assert "two" in (await site.ask(url)).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/build/99?part=head", 404),
        ("/build/99?part=log", 404),
        ("/build/0?part=head", 404),
        ("/build/2/?part=head", 404),
        ("/?part=builds&status=none", 422),
        ("/?part=builds&before=x", 422),
        ("/build/2?part=log&at=x", 422),
        ("/api/builds?part=builds", 200),
    ],
)
async def test_what_has_no_part_is_never_up_to_date(site: Site, path: str, status: int) -> None:
    """Whoever says that he has the present version of nothing is told so, again and again."""
    for stamp in (f"{site.core.version()}.0.0", "v"):
        for _ in range(2):
            with site.before_quart(None):
                answer = await site.ask(f"{path}&v={stamp}")
            assert answer.status_code == status


async def test_only_what_a_page_asks_is_answered_before_quart(site: Site) -> None:
    """Neither another method, nor another site's name, nor the whole page, nor with a body."""
    url = (await site.open("/")).url("builds")
    for _ in range(2):
        assert (await site.ask(url)).status_code == 204
    with site.before_quart(None):
        assert (await site.ask(url, Host="evil.example")).status_code == 421
        assert (await site.ask(url, Host="not a name")).status_code == 400
        assert (await site.ask(url, "HEAD")).status_code == 204
        assert (await site.ask(url, "POST")).status_code == 405
        assert (await site.ask(url, **{"Content-Length": "5"})).status_code == 204
        assert "<html" in (await site._client.get(url, headers=BROWSER)).text


async def test_parameters_mean_what_they_mean_to_quart(site: Site) -> None:
    """Of two with one name the first counts; what is no text is another question."""
    now = f"{site.core.version()}.0.0"
    for path in (
        f"/?part=builds&v={now}&v=old",
        f"/?part=builds&v=old&v={now}",
        f"/?part=builds&%76=old&v={now}",
        f"/?status=running&status=waiting&part=builds&v={now}x",
        f"/?status=waiting&status=running&part=builds&v={now}x",
        "/?part=builds&q=%EF%BF%BD&v=old",
        "/?part=builds&q=%FF&v=old",
        "/?part=builds&q=&v=old",
        "/?part=builds&q&v=old",
    ):
        for _ in range(2):
            await site.ask(path)


ACTS = ("submit", "start", "print", "end", "lose", "agent", "trouble", "tick")
PAGES = ("/", "/", "/?status=running", "/build/1", "/build/1", "/agents")
STEPS = 150


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_ever_told_that_quart_would_not_tell(seed: int) -> None:
    """Whatever happens between the questions of pages that were opened at any time."""
    dice = random.Random(seed)
    site = Site()
    await site.core.submit(repository=None, commit="main", command=COMMAND)
    readers = [await site.open(path) for path in PAGES]
    for _ in range(STEPS):
        await act(site.core, dice.choice(ACTS))
        for _ in range(2):
            reader = dice.choice(readers)
            for url in list(reader.urls):
                reader.take(url, await site.ask(url))
    assert len(site.quick) > STEPS // 10


async def act(core: FakeCore, what: str) -> None:
    """Let something happen, if it can."""
    view = await core.build(1)
    running = view.build.status is Status.RUNNING
    if what == "submit":
        await core.submit(repository=None, commit="main", command=COMMAND)
    elif what == "start" and view.build.status is Status.WAITING:
        core.start(1)
    elif what == "print" and running:
        core.print(view.attempts[-1].id, b"a line\n")
    elif what == "end" and running:
        core.end(1, Status.SUCCESS)
    elif what == "lose" and running:
        core.lose(1)
    elif what == "agent":
        core.add_agent("oak")
    elif what == "trouble":
        core.in_trouble = None if core.in_trouble else "The disk is short."
    elif what == "tick":
        assert core.clock is not None
        core.clock += timedelta(seconds=1)
