"""A link to a line leads there in any log, and marks it without a script."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from ci.web.logtail import MAX_BEHIND_BYTES
from ci.web.logview import ABOVE_LINES, WINDOW_LINES
from ci.web.reading import Reading
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask, check, poll
from tests.unit.web.conftest import HTMX

MANY = 4 * WINDOW_LINES


async def begin(client: httpx.AsyncClient, core: FakeCore, lines: int) -> str:
    """Let a build run that has printed so many lines."""
    await ask(client)
    id = core.start(1)
    core.print(id, b"".join(b"text %d\n" % line for line in range(1, lines + 1)))
    return id


def marked(html: str) -> list[int]:
    """The numbers of the marked lines."""
    return [int(number) for number in re.findall(r'class="line marked" id="L(\d+)"', html)]


def address_of(html: str, line: int) -> str:
    """Where the number of a line leads."""
    [found] = re.findall(rf'id="L{line}"><a[^>]* href="([^"]*)"', html)
    return unescape(found)


@pytest.mark.parametrize("line", [1, 2, WINDOW_LINES, MANY // 2, MANY])
async def test_a_link_to_a_line_leads_there(
    client: httpx.AsyncClient, core: FakeCore, line: int
) -> None:
    """Wherever it stands: with what is above it, and marked."""
    await begin(client, core, MANY)
    html = check(await client.get(f"/build/1?line={line}"))
    assert marked(html) == [line]
    assert f'id="L{max(1, line - ABOVE_LINES)}"' in html
    assert f"<span>text {line}</span>" in html
    assert ("part=log" in html) == (line == MANY), "only a window at the end of the log grows"


async def test_numbers_mark_a_line_then_a_range_then_another_line(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Three presses on numbers, up or down; no script is needed."""
    await begin(client, core, 30)
    html = check(await client.get("/build/1"))
    assert marked(html) == []
    url = address_of(html, 20)
    assert url == "/build/1?line=20#L20"
    html = check(await client.get(url))
    assert marked(html) == [20]
    assert address_of(html, 20) == "/build/1?line=20#L20"
    assert address_of(html, 25) == "/build/1?line=20-25#L20-L25"
    url = address_of(html, 17)
    assert url == "/build/1?line=17-20#L17-L20"
    html = check(await client.get(url))
    assert marked(html) == [17, 18, 19, 20]
    assert html.count('id="L17-L20"') == 1, "the fragment leads somewhere"
    assert address_of(html, 5) == "/build/1?line=5#L5"
    assert marked(check(await client.get("/build/1?line=20-17"))) == [17, 18, 19, 20]


async def test_marked_lines_that_come_later_are_marked(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The tail of a page knows what is marked on it."""
    id = await begin(client, core, 3)
    html = check(await client.get("/build/1?line=2-5"))
    core.print(id, b"four\nfive\nsix\n")
    answer = await client.get(poll(html, "log"), headers=HTMX)
    assert marked(answer.text) == [4, 5]


async def test_a_line_that_is_not_there_is_told(client: httpx.AsyncClient, core: FakeCore) -> None:
    """With the log's end below; of one that grows it may still come."""
    await begin(client, core, 3)
    html = check(await client.get("/build/1?line=4"))
    assert "This log has no line 4 yet" in html
    assert 'id="L3"' in html
    await ask(client)
    assert "part=log" in check(await client.get("/build/2?line=7"))


async def test_marks_stay_while_one_goes_through_a_log(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """So a range may end far from where it begins; an older attempt's links stay with it."""
    await begin(client, core, MANY)
    core.lose(1)
    core.start(1)
    html = check(await client.get("/build/1?attempt=1.1.1&line=7"))
    [later] = re.findall(r'href="([^"]*)">later lines', html)
    html = (await client.get(unescape(later))).text
    number = re.findall(r'id="L(\d+)"', html)[0]
    assert int(number) > WINDOW_LINES
    url = f"/build/1?attempt=1.1.1&line=7-{number}#L7-L{number}"
    assert address_of(html, int(number)) == url


@pytest.mark.parametrize("line", ["0", "x", "1-", "-3", "5-0", "1-2-3", "9" * 40, "%00"])
async def test_a_wrong_line_is_refused(client: httpx.AsyncClient, line: str) -> None:
    """422, as any other wrong address."""
    await ask(client)
    assert (await client.get(f"/build/1?line={line}")).status_code == 422


def test_what_is_marked_fits_into_an_address() -> None:
    """As a person would write it."""
    assert Reading().query(to=5) == {"to": 5}
    assert Reading("1.1.1", range(3, 4)).query() == {"attempt": "1.1.1", "line": "3"}
    assert Reading(marked=range(3, 9)).line == "3-8"


async def test_a_page_that_can_not_follow_begins_anew_at_the_end(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Not at what is marked on it, where it would stay for ever."""
    id = await begin(client, core, 3)
    html = check(await client.get("/build/1?line=2"))
    core.print(id, b"text\n" * MANY + b"x" * MAX_BEHIND_BYTES + b"\nlast\n")
    answer = await client.get(poll(html, "log"), headers=HTMX)
    assert answer.headers["HX-Retarget"] == "#log"
    assert "<span>last</span>" in answer.text
    assert "part=log" in answer.text


async def test_a_burst_of_lines_comes_as_one_window(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """No answer is longer than a window, however many lines came since the last look."""
    id = await begin(client, core, 3)
    html = check(await client.get("/build/1"))
    core.print(id, b"\n" * 250_000)
    answer = await client.get(poll(html, "log"), headers=HTMX)
    assert answer.headers["HX-Retarget"] == "#log"
    assert answer.text.count('class="line"') == WINDOW_LINES
