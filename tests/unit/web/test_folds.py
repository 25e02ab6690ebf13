"""Sections of a log are folded by the conventions that commands know; what matters stays open."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from ci.folds import Fold, read_fold
from ci.model import Status
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask, check, poll
from tests.unit.web.conftest import HTMX

BEGINS = [
    (b"::group::Install it", b"Install it", False),
    (b"::group::", b"group", False),
    (b"##[group]Run make\r", b"Run make", False),
    (b"##[section]Starting: Build", b"Starting: Build", False),
    (b"--- :docker: Building", b":docker: Building", False),
    (b"+++ Tests", b"Tests", True),
    (b"~~~ Preparing", b"Preparing", False),
    (b"section_start:1560896352:my_section[collapsed=true]\r\x1b[0KHeading", b"Heading", False),
    (b"section_start:1560896352:my_section\r\x1b[0K", b"my_section", False),
    (
        b"section_end:1:a\r\x1b[0Ksection_start:2:b\r\x1b[0K\x1b[36;1mNext\x1b[0;m",
        b"\x1b[36;1mNext\x1b[0;m",
        False,
    ),
]
PLAIN = [
    b"", b"text", b"--- a/file.c", b"+++ b/file.c", b"--- /dev/null", b"--- old.c\t2026-11-21",
    b"--- FAIL: TestSum (0.00s)", b"    --- PASS: x", b"----- Captured stdout -----", b"---",
    b"+++", b"::error::x", b"##[warning]x", b" ::group::x", b"section_startled", b"--- x ---",
]  # fmt: skip


@pytest.mark.parametrize(("line", "heading", "is_open"), BEGINS)
def test_what_begins_a_section_is_read(line: bytes, heading: bytes, is_open: bool) -> None:
    """As GitHub, Azure, Buildkite and GitLab document it."""
    assert read_fold(line) == Fold(heading, is_open)


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        (b"::endgroup::", b""),
        (b"##[endgroup]", b""),
        (b"section_end:1560896353:my_section\r\x1b[0K", b"\x1b[0K"),
        (b"\x1b[0Ksection_end:1:my_section\r\x1b[0Kdone", b"\x1b[0Kdone"),
    ],
)
def test_what_ends_a_section_is_read(line: bytes, rest: bytes) -> None:
    """And is told from what begins one; only what follows it is output."""
    assert read_fold(line) == Fold(None, rest=rest)


@pytest.mark.parametrize("line", PLAIN)
def test_what_only_looks_like_it_is_plain(line: bytes) -> None:
    """Differences, results of tests, rules made of dashes."""
    assert read_fold(line) is None


def sections(html: str) -> dict[int, bool]:
    """The lines with which sections begin, and whether they are open."""
    found = re.findall(r'<details class="fold" id="F(\d+)"( open)?>', html)
    return {int(line): bool(is_open) for line, is_open in found}


async def show(client: httpx.AsyncClient, core: FakeCore, log: bytes, query: str = "") -> str:
    """The page of a build that has failed."""
    await ask(client)
    core.print(core.start(1), log)
    core.end(1, Status.FAILURE, exit_code=1)
    return check(await client.get(f"/build/1{query}"))


LOG = (
    b"before\n--- one\na\n--- two\nb\nerror: broken\n+++ three\nc\n"
    b"::group::four\nd\n::endgroup::\nbetween\n--- five\ne\n--- last\nf\n"
)


async def test_what_matters_is_open(client: httpx.AsyncClient, core: FakeCore) -> None:
    """What has an error, what the command opens, the last one; each line is on the page once."""
    html = await show(client, core, LOG)
    assert sections(html) == {2: False, 4: True, 7: True, 9: False, 13: False, 15: True}
    assert [int(line) for line in re.findall(r'id="L(\d+)"', html)] == list(range(1, 17))
    assert "</details>\n<div" in html, "what is between two sections is in none"
    assert "endgroup" not in html, "the mark of an end is no output"


async def test_a_marked_line_opens_its_section(client: httpx.AsyncClient, core: FakeCore) -> None:
    """A link leads to something that is seen."""
    html = await show(client, core, LOG, "?line=10-14")
    assert sections(html) == {2: False, 4: True, 7: True, 9: True, 13: True, 15: True}


async def test_all_are_opened_by_a_link(client: httpx.AsyncClient, core: FakeCore) -> None:
    """For who prints the page, or looks through it; and stay so on the way through the log."""
    html = await show(client, core, LOG)
    [url] = re.findall(r'<a href="([^"]*)">unfold</a>', html)
    html = check(await client.get(unescape(url)))
    assert set(sections(html).values()) == {True}
    assert 'href="/build/1?folds=open&amp;line=3#L3"' in html
    assert ">fold</a>" in html
    assert (await client.get("/build/1?folds=shut")).status_code == 422


async def test_in_a_green_log_nothing_counts_as_an_error(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """A test may print whatever it likes."""
    await ask(client)
    core.print(core.start(1), b"--- one\nerror: as expected\n--- two\n")
    core.end(1, Status.SUCCESS)
    assert sections(check(await client.get("/build/1"))) == {1: False, 3: True}


async def test_a_log_without_sections_has_nothing_to_unfold(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Most logs."""
    html = await show(client, core, b"text\n")
    assert "fold" not in html.replace("folds=", "")


async def test_what_comes_goes_into_the_section_that_grows(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """It is open; lines behind its end come after it; the next one is a section of its own."""
    await ask(client)
    id = core.start(1)
    core.print(id, b"--- one\na\n")
    html = check(await client.get("/build/1"))
    assert sections(html) == {1: True}
    url = poll(html, "log")
    assert "fold=1" in url
    core.print(id, b"b\n")
    answer = await client.get(url, headers=HTMX)
    [inside] = re.findall(r'<div hx-swap-oob="beforeend:#F1">(.*?</div>)</div>', answer.text)
    assert 'id="L3"' in inside
    core.print(id, b"::endgroup::\nfree\n--- two\nc\n")
    answer = await client.get(poll(answer.text, "log"), headers=HTMX)
    [inside] = re.findall(r'<div hx-swap-oob="beforeend:#F1">(.*?</div>)</div>', answer.text)
    assert re.findall(r'id="L(\d+)"', inside) == ["4"]
    assert sections(answer.text) == {6: True}
    url = poll(answer.text, "log")
    assert "fold=6" in url
    core.print(id, b"--- three\n")
    answer = await client.get(url, headers=HTMX)
    assert "oob" not in answer.text
    assert sections(answer.text) == {8: True}
    assert (await client.get(url.replace("fold=6", "fold=x"), headers=HTMX)).status_code == 422
