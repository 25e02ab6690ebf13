"""The feed is valid Atom (RFC 4287) whatever builds are called, and its entries are for ever."""

from __future__ import annotations

from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import httpx
import pytest

from ci.model import Reason, Status
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask

ATOM = "{http://www.w3.org/2005/Atom}"


def read(answer: httpx.Response) -> ET.Element:
    """Check what the standard demands of a feed and of each entry, and return it."""
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(answer.content)
    assert feed.tag == f"{ATOM}feed"
    for one in (feed, *feed.iter(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            found = one.findall(f"{ATOM}{name}")
            assert len(found) == 1, f"{one.tag} has {len(found)} {name}"
            assert found[0].text
        assert one.findtext(f"{ATOM}id", "").startswith("urn:uuid:")
        assert one.find(f"{ATOM}link[@rel='alternate']") is not None
    assert all(entry.findtext(f"{ATOM}author/{ATOM}name") for entry in feed.iter(f"{ATOM}entry"))
    assert feed.find(f"{ATOM}link[@rel='self']") is not None
    ids = [one.text for one in feed.iter(f"{ATOM}id")]
    assert len(set(ids)) == len(ids)
    return feed


def titles(feed: ET.Element) -> list[str]:
    """Return the titles of the entries."""
    return [entry.findtext(f"{ATOM}title", "") for entry in feed.iter(f"{ATOM}entry")]


async def end(
    client: httpx.AsyncClient, core: FakeCore, status: Status, subject: str = "", branch: str = ""
) -> None:
    """Let one more build end so."""
    location = (await ask(client)).headers["Location"]
    number = int(location.removeprefix("/build/").removesuffix("#end"))
    core.start(number)
    core.describe(number, subject=subject, branch=branch)
    core.end(number, status, Reason.EXITED)


async def test_a_feed_without_builds_is_valid(client: httpx.AsyncClient) -> None:
    """A reader may subscribe on the first day."""
    assert titles(read(await client.get("/feed.atom"))) == []


async def test_ended_builds_are_told(client: httpx.AsyncClient, core: FakeCore) -> None:
    """The newest first; what waits or runs is not told yet."""
    await end(client, core, Status.SUCCESS, "Begin")
    await end(client, core, Status.FAILURE, "Break it")
    await ask(client)
    feed = read(await client.get("/feed.atom"))
    assert titles(feed) == ["#2 failure: Break it", "#1 success: Begin"]
    links = [
        urlsplit(link.attrib["href"]).path for link in feed.iterfind(f"{ATOM}entry/{ATOM}link")
    ]
    assert links == ["/build/2", "/build/1"]


async def test_an_entry_says_once_which_limit_a_build_met(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """In the words of its agent, which names the limit."""
    await ask(client)
    core.start(1)
    core.end(1, Status.FAILURE, Reason.TIMEOUT, message="It took longer than 5 s and was ended.")
    [content] = read(await client.get("/feed.atom")).iter(f"{ATOM}content")
    assert str(content.text).splitlines()[2:] == [
        "It took longer than 5 s and was ended.",
        "It took 0.0 s.",
    ]


async def test_a_feed_takes_the_filters_of_the_list(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Only what is red, of one branch, say; its name tells all of them, to who has several."""
    await end(client, core, Status.FAILURE, "One", "main")
    await end(client, core, Status.FAILURE, "Two", "topic")
    await end(client, core, Status.SUCCESS, "Three", "topic")
    wanted = {"status": "failure", "branch": "topic"}
    assert titles(read(await client.get("/feed.atom", params=wanted))) == ["#2 failure: Two"]
    wanted |= {"agent": "oak", "q": "make"}
    feed = read(await client.get("/feed.atom", params=wanted))
    assert feed.findtext(f"{ATOM}title") == "Builds · topic · oak · failure · make"
    refused = await client.get("/feed.atom", params={"status": "running"})
    assert refused.status_code == 422


async def test_an_entry_is_the_same_for_ever(client: httpx.AsyncClient, core: FakeCore) -> None:
    """By whatever name the server is reached, and whatever filter it was found by."""
    await end(client, core, Status.FAILURE, "One")
    found = set()
    for host, query in (("ci.test", ""), ("10.0.0.5", ""), ("ci.test", "?status=failure")):
        feed = read(await client.get(f"/feed.atom{query}", headers={"Host": host}))
        found.add(feed.findtext(f"{ATOM}entry/{ATOM}id"))
    assert len(found) == 1


@pytest.mark.parametrize("subject", ["<b> & ]]>", "a\x00b\x1b[31m", "\ud800", "\ufffe", "إصلاح"])
async def test_no_subject_breaks_a_feed(
    client: httpx.AsyncClient, core: FakeCore, subject: str
) -> None:
    """A git history may hold any bytes."""
    await end(client, core, Status.SUCCESS, subject)
    assert len(titles(read(await client.get("/feed.atom")))) == 1


async def test_a_feed_that_has_not_changed_is_not_sent_again(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Readers ask each hour for years."""
    await end(client, core, Status.SUCCESS)
    before = await client.get("/feed.atom")
    seen = {"If-None-Match": before.headers["ETag"]}
    assert (await client.get("/feed.atom", headers=seen)).status_code == 304
    await end(client, core, Status.SUCCESS)
    assert (await client.get("/feed.atom", headers=seen)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "here"),
    [
        ({"Host": "ci.test:8080"}, "http://ci.test:8080"),
        ({"Host": "ci.test", "X-Forwarded-Proto": "https"}, "https://ci.test"),
        ({"Host": "ci.test", "X-Forwarded-Proto": "javascript"}, "http://ci.test"),
    ],
)
async def test_links_are_whole_addresses(
    client: httpx.AsyncClient, core: FakeCore, headers: dict[str, str], here: str
) -> None:
    """By the name that the reader came by: not every reader completes others."""
    await end(client, core, Status.FAILURE, "One")
    feed = read(await client.get("/feed.atom?status=failure", headers=headers))
    links = [link.get("href") for link in feed.iter(f"{ATOM}link")]
    assert links == [f"{here}/feed.atom?status=failure", f"{here}/", f"{here}/build/1"]
