"""What one looks for in a log is listed and jumped to; a failed build tells its first error."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from ci.model import Reason, Status
from ci.web.log_page import LIST_HITS
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask, check

LOG = b"one\nerror: <b>first</b>\nthree\nerror: second\nfive\n"


async def end(client: httpx.AsyncClient, core: FakeCore, log: bytes = LOG) -> None:
    """Let a build fail that has printed this."""
    await ask(client)
    core.print(core.start(1), log)
    core.end(1, Status.FAILURE, exit_code=2)


def link(html: str, words: str) -> str:
    """Where the link with these words leads."""
    [found] = re.findall(rf'<a href="([^"]*)"[^>]*>{words}</a>', html)
    return unescape(found)


async def follow(client: httpx.AsyncClient, url: str) -> str:
    """Go where a jump leads; its last address."""
    for _ in range(9):
        answer = await client.get(url)
        if answer.status_code != 303:
            return url
        url = answer.headers["Location"]
    raise AssertionError("it leads on and on")


async def test_found_lines_are_listed_with_links_to_them(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """In the log's place, with their numbers; what was found is marked, and never markup."""
    await end(client, core)
    html = check(await client.get("/build/1?q=%3Cb%3E"))
    assert "1 line with “&lt;b&gt;”" in html
    assert "error: <mark>&lt;b&gt;</mark>first" in html
    assert "three" not in html
    html = check(await client.get(link(html, "2")))
    assert '<div class="line marked" id="L2">' in html
    assert "three" in html
    assert 'value="&lt;b&gt;"' in html, "the field still has it"
    html = check(await client.get("/build/1?q=nowhere"))
    assert "No line with “nowhere”." in html
    assert "three" in check(await client.get(link(html, "Show the log")))


async def test_a_long_list_goes_on_by_links_in_both_directions(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Each line once; it says whether there are more, and the last part that it is the last."""
    count = 2 * LIST_HITS + 3
    await end(client, core, b"needle\n" * count)
    html = check(await client.get("/build/1?q=needle"))
    assert f"{LIST_HITS} lines with “needle”, and there are more." in html
    assert "Earlier ones" not in html
    down = [found_in(html)]
    for _ in range(2):
        html = check(await client.get(link(html, "Look on")))
        down.append(found_in(html))
    assert [line for part in down for line in part] == list(range(1, count + 1))
    assert f"3 lines with “needle” below line {2 * LIST_HITS}." in html
    assert "Look on" not in html
    up = []
    for _ in range(2):
        html = check(await client.get(link(html, "Earlier ones")))
        up.append(found_in(html))
    assert up == down[1::-1]
    assert f"{LIST_HITS} lines with “needle” above line {LIST_HITS + 1}." in html
    assert "Earlier ones" not in html
    assert found_in(check(await client.get(link(html, "Look on")))) == down[1]


async def test_a_list_says_that_not_all_was_looked_at(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """As in a very long log: there may be more."""
    core.look_lines = 3
    await end(client, core)
    html = check(await client.get("/build/1?q=error"))
    assert "1 line with “error” so far." in html
    html = check(await client.get(link(html, "Look on")))
    assert found_in(html) == [4]


def found_in(html: str) -> list[int]:
    """The numbers of the lines that a list has."""
    return [int(line) for line in re.findall(r">(\d+)</a><span>[^<]*<mark>", html)]


async def test_one_jumps_from_match_to_match_and_is_told_at_the_end(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Both ways, also where one question does not look at the whole log."""
    core.look_lines = 1
    await end(client, core)
    url = await follow(client, "/build/1/find?q=error&after=0")
    assert url == "/build/1?q=error&line=2#L2"
    html = check(await client.get(url))
    url = await follow(client, link(html, "match →"))
    assert url == "/build/1?q=error&line=4#L4"
    html = check(await client.get(url))
    assert await follow(client, link(html, "← match")) == "/build/1?q=error&line=2#L2"
    html = check(await client.get(await follow(client, link(html, "match →"))))
    assert "The text is in no line below line 4." in html
    assert '<div class="line marked" id="L4">' in html


async def test_one_jumps_from_error_to_error(client: httpx.AsyncClient, core: FakeCore) -> None:
    """From the first one on, without a word to look for."""
    await end(client, core)
    html = check(await client.get("/build/1"))
    url = await follow(client, link(html, "first error"))
    assert url == "/build/1?line=2#L2"
    html = check(await client.get(url))
    url = await follow(client, link(html, "error →"))
    assert url == "/build/1?line=4#L4"
    html = check(await client.get(url))
    html = check(await client.get(await follow(client, link(html, "error →"))))
    assert "No line looks like an error below line 4." in html
    assert await follow(client, link(html, "← error")) == "/build/1?line=2#L2"


async def test_jumps_stay_with_an_older_attempt(client: httpx.AsyncClient, core: FakeCore) -> None:
    """What is found there is not in the latest one."""
    await ask(client)
    core.print(core.start(1), LOG)
    core.lose(1)
    core.start(1)
    html = check(await client.get("/build/1?attempt=1.1.1"))
    url = await follow(client, link(html, "first error"))
    assert url == "/build/1?attempt=1.1.1&line=2#L2"
    html = check(await client.get("/build/1"))
    html = check(await client.get(await follow(client, link(html, "first error"))))
    assert "No line looks like an error." in html


async def test_a_failed_build_tells_its_first_error(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """On top of its page: the line itself is the link to it."""
    await end(client, core)
    html = check(await client.get("/build/1"))
    assert "First error at line 2:" in html
    assert link(html, "<code>error: &lt;b&gt;first&lt;/b&gt;</code>") == "/build/1?line=2#L2"


async def test_a_first_error_far_down_is_looked_for_when_one_asks(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The page does not wait for it."""
    core.look_lines = 1
    await end(client, core)
    html = check(await client.get("/build/1"))
    assert await follow(client, link(html, "Look for the first error")) == "/build/1?line=2#L2"


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.CANCELED])
async def test_only_a_build_that_went_wrong_has_an_error_on_top(
    client: httpx.AsyncClient, core: FakeCore, status: Status
) -> None:
    """A green build may print whatever it likes."""
    await ask(client)
    core.print(core.start(1), LOG)
    core.end(1, status, Reason.EXITED)
    assert "First error at" not in check(await client.get("/build/1"))


@pytest.mark.parametrize(
    "address", ["find", "find?after=1&before=2", "find?after=x", "find?before=0", "?none=where"]
)
async def test_a_wrong_question_is_refused(
    client: httpx.AsyncClient, core: FakeCore, address: str
) -> None:
    """422, as any other wrong address."""
    await end(client, core)
    base = "/build/1" if address.startswith("?") else "/build/1/"
    assert (await client.get(base + address)).status_code == 422


async def test_what_never_ran_has_nothing_to_be_found(client: httpx.AsyncClient) -> None:
    """And says so."""
    await ask(client)
    url = await follow(client, "/build/1/find?after=0")
    assert "No line looks like an error." in check(await client.get(url))
    check(await client.get("/build/1?q=x"))
    assert (await client.get("/build/9/find?after=0")).status_code == 404


async def test_only_a_log_that_went_wrong_offers_its_first_error(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """In a green one nothing counts as an error. No line's number is a stop of Tab in either."""
    await end(client, core)
    await ask(client)
    core.print(core.start(2), LOG)
    core.end(2, Status.SUCCESS, exit_code=0)
    red, green = [check(await client.get(f"/build/{number}")) for number in (1, 2)]
    assert ">first error</a>" in red
    assert ">first error</a>" not in green
    for html in (red, green):
        assert re.findall(r'<div class="line" id="L1"><a href="[^"]*" tabindex="-1">1</a>', html)


async def test_a_build_has_one_address(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Zeros in front of its number are no other one."""
    await end(client, core)
    assert (await client.get("/build/01")).status_code == 404
    assert (await client.get("/build/1")).status_code == 200
