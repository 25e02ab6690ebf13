"""Why red: what is new since the last green build, and what looks like an error before the rest."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from ci.model import Status
from ci.newlines import compare
from ci.news import NewLine
from ci.server.views import LogNews, WhyRed
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask, check
from tests.unit.web.conftest import HTMX
from tests.unit.web.polls import Reader

GREEN = b"begin\nDownloaded 3 packages in 1.2s\na\nb\nc\nall 12 tests passed\nbye\n"
RED = (
    b"begin\nDownloaded 14 packages in 3.4s\nwarning: <b>old</b>\na\nb\nc\nall 12 tests passed\n"
    b"\x1b[31merror: 2 is not 3\x1b[0m\n  in test_sum\n"
)


async def build(
    client: httpx.AsyncClient, core: FakeCore, log: bytes, status: Status, branch: str = "main"
) -> int:
    """Let a build end that has printed this; its number."""
    answer = await ask(client)
    number = int(answer.headers["Location"].partition("#")[0].rpartition("/")[2])
    core.describe(number, commit_hash=f"{number:040x}", subject=f"Commit {number}", branch=branch)
    core.print(core.start(number), log)
    core.end(number, status, exit_code=0 if status is Status.SUCCESS else 1)
    return number


async def test_new_lines_are_shown_with_links_into_the_log(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """What looks like an error before the rest; with colours, and never as markup."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, RED, Status.FAILURE)
    html = check(await client.get("/build/2/why"))
    assert "3 of 9 lines are new since #1" in html
    error = '<div class="line marked" id="L8"><a href="/build/2?line=8#L8">8</a>'
    assert error + '<span><span class="f1">error: 2 is not 3</span></span></div>' in html
    assert html.index("error: 2 is not 3") < html.index("warning: &lt;b&gt;old&lt;/b&gt;")
    assert "Downloaded" not in html
    assert 'id="L5"' not in html
    assert "Only in #1" in html
    assert '<a href="/build/1?line=7#L7">7</a><span>bye</span>' in html
    assert "git log 000000000000..000000000000" in html


async def test_lines_are_shown_as_the_log_shows_them(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Of the mark of a section its name, of what was written over nothing."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, b"::group::Tests\nold words\rnew words\n", Status.FAILURE)
    html = check(await client.get("/build/2/why"))
    assert "<span>Tests</span>" in html
    assert "<span>new words</span>" in html


async def test_a_page_is_there_while_long_logs_are_compared(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """It says how far that is and asks on, or has a link for it, until the news are there."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, RED, Status.FAILURE)
    core.compares_for = 1
    html = check(await client.get("/build/2/why"))
    words = f"Comparing {len(RED)} B with the {len(GREEN)} B of #1: 1.0 MB of it so far"
    assert words in html
    assert "refresh=1" in html
    assert "error: 2 is not 3" not in html
    address = Reader(html).url("why")
    part = (await client.get(address, headers=HTMX)).text
    assert words in part
    assert Reader(part).urls == [address]
    part = (await client.get(address, headers=HTMX)).text
    assert "error: 2 is not 3" in part
    assert Reader(part).urls == []
    assert "refresh=1" not in check(await client.get("/build/2/why"))


async def test_of_a_traceback_the_exception_is_named(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """It is what went wrong; the lines above it are shown with it."""
    await build(client, core, GREEN, Status.SUCCESS)
    trace = b"Traceback (most recent call last):\n  in sum\nValueError: none\n"
    await build(client, core, trace, Status.FAILURE)
    html = check(await client.get("/build/2/why"))
    assert 'looks like an error is line 3: <a href="/build/2?line=3#L3">' in html
    assert 'id="L1"' in html


async def test_a_failed_build_leads_there(client: httpx.AsyncClient, core: FakeCore) -> None:
    """With one click from the top of its page; one that is green, or has no green one, does not."""
    await build(client, core, RED, Status.FAILURE)
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, RED, Status.ERROR)
    assert "What is new" not in check(await client.get("/build/1"))
    assert "What is new" not in check(await client.get("/build/2"))
    html = check(await client.get("/build/3"))
    assert '<a href="/build/3/why">What is new since #2, the last green</a>' in html


async def test_lines_alike_are_shown_once_and_counted(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """So that a thousand of them hide nothing."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, b"retry 1 of it\n" * 1_235, Status.FAILURE)
    html = check(await client.get("/build/2/why"))
    assert "<small>and 1,234 like it</small>" in html
    assert "None of them looks like an error." in html
    assert "little in common" in html


@pytest.mark.parametrize("log", [GREEN, RED])
async def test_lines_where_only_a_number_changed_are_shown(
    client: httpx.AsyncClient, core: FakeCore, log: bytes
) -> None:
    """Each with the one that the green log has; folded where something else is new."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, RED, Status.FAILURE)
    why = await core.why_red(2)
    assert why.found is not None
    pair = NewLine(3, b"coverage: 71%"), NewLine(2, b"coverage: <92%", is_new=False)
    news = compare([log], [GREEN])
    found = replace(why.found, news=news, changed=(pair,), changed_kinds=3)
    core.whys[2] = replace(why, found=found)
    html = check(await client.get("/build/2/why"))
    assert ("has not printed as well, numbers aside." in html) is (log == GREEN)
    assert ("<details open>" in html) is (log == GREEN)
    assert "3 lines where only a number changed" in html
    assert "come first, and 2 are not shown" in html
    assert '<a href="/build/2?line=3#L3">3</a><span>coverage: 71%</span>' in html
    assert '<a href="/build/1?line=2#L2">2</a><span class="d">coverage: &lt;92%</span>' in html
    told = (await client.get("/api/builds/2/why")).json()["news"]
    line = {"line": 3, "text": "coverage: 71%"}
    assert told["only_numbers"] == [{**line, "green_line": 2, "green_text": "coverage: <92%"}]
    assert told["only_numbers_found"] == 3


async def test_all_that_is_printed_after_a_silent_green_build_is_new(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """That the two have little in common says nothing then."""
    await build(client, core, b"", Status.SUCCESS)
    await build(client, core, b"money.py: too long\n" + RED * 3, Status.FAILURE)
    html = check(await client.get("/build/2/why"))
    assert "printed nothing: all that this one has printed is new." in html
    assert "<span>money.py: too long</span>" in html
    assert "little in common" not in html


async def test_what_hung_without_a_word_is_compared_with_what_should_have_come(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """All lines of the green build are missing; both branches are named."""
    await build(client, core, b"connected\n", Status.SUCCESS, "v1")
    await build(client, core, b"", Status.ERROR, "fix/<2>")
    html = check(await client.get("/build/2/why"))
    assert "It has printed nothing; what #1, the last green build" in html
    assert "connected</span>" in html
    assert "on <code>v1</code>" in html
    assert "on <code>fix/&lt;2&gt;</code>" in html


async def test_the_first_new_error_stands_on_top_of_the_build(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Before one that each green build prints, too."""
    await build(client, core, b"error: as usual\n", Status.SUCCESS)
    await build(client, core, b"error: as usual\nerror: <broken>\n", Status.FAILURE)
    assert "First error at line 1:" in check(await client.get("/build/2"))
    core.whys[2] = await core.why_red(2)
    html = check(await client.get("/build/2"))
    assert "First new error at line 2:" in html
    assert '<a href="/build/2?line=2#L2"><code>error: &lt;broken&gt;</code></a>' in html


async def test_without_a_new_error_the_last_new_line_stands_there(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Never an old one, which is not the cause; nothing, where nothing is new."""
    await build(client, core, b"error: as usual\n", Status.SUCCESS)
    await build(client, core, b"error: as usual\nno\n<host>\n", Status.FAILURE)
    await build(client, core, b"error: as usual\n", Status.FAILURE)
    for number in (2, 3):
        core.whys[number] = await core.why_red(number)
    html = check(await client.get("/build/2"))
    assert 'Last new line, 3: <a href="/build/2?line=3#L3"><code>&lt;host&gt;</code></a>' in html
    html = check(await client.get("/build/2/why"))
    assert 'The last one is line 3: <a href="/build/2?line=3#L3">' in html
    html = check(await client.get("/build/3"))
    assert "rror at line" not in html
    assert "Last new line" not in html


async def test_without_an_error_the_last_new_lines_come_first(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """What went wrong stands at the end of most logs."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, b"early\n" + GREEN + b"late\nlater\n", Status.FAILURE)
    html = check(await client.get("/build/2/why"))
    places = [
        html.index(text) for text in ("The last that is new", "late<", "else is new", "early<")
    ]
    assert places == sorted(places)


async def test_a_single_line_is_one_line(client: httpx.AsyncClient, core: FakeCore) -> None:
    """As one says it."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, b"oh no\n", Status.FAILURE)
    assert "1 of 1 line is new since #1" in check(await client.get("/build/2/why"))


async def test_an_older_green_build_is_not_called_the_last(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Where the log of a newer one is gone."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, RED, Status.FAILURE)
    core.whys[2] = replace(await core.why_red(2), newest=False)
    html = check(await client.get("/build/2"))
    assert "What is new since #1, the last green with a log" in html
    html = check(await client.get("/build/2/why"))
    assert "since #1, the last green build that still has a log, with the same command" in html


async def test_a_build_that_can_not_be_compared_has_no_link(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """To a page that could only say so."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, RED, Status.FAILURE)
    problem = "Its command never ran."
    core.whys[2] = WhyRed(await core.build(2), problem=problem)
    assert "What is new" not in check(await client.get("/build/2"))
    html = check(await client.get("/build/2/why"))
    assert problem in html
    assert "<title>Why #2 is red · " in html


async def test_where_nothing_can_be_compared_the_first_error_is_shown(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The list leads there from every red build: it is no dead end."""
    await build(client, core, RED, Status.FAILURE)
    core.whys[1] = WhyRed(await core.build(1), problem="No earlier build was green.")
    html = check(await client.get("/build/1/why"))
    assert 'First error at line 8: <a href="/build/1?line=8#L8">' in html
    assert '<a href="/build/1#logbar">Read its log</a>' in html


async def test_a_log_without_news_says_so(client: httpx.AsyncClient, core: FakeCore) -> None:
    """And what did not come: a build that was ended by a limit hung there."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, GREEN[: GREEN.index(b"bye")], Status.ERROR)
    html = check(await client.get("/build/2/why"))
    assert "It has printed nothing that #1" in html
    assert "What is new" not in html
    assert "<span>bye</span>" in html


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.CANCELED])
async def test_why_there_is_no_comparison_is_said(
    client: httpx.AsyncClient, core: FakeCore, status: Status
) -> None:
    """On the page and to programs."""
    await build(client, core, GREEN, status)
    html = check(await client.get("/build/1/why"))
    assert "It is not red." in html
    word = "green" if status is Status.SUCCESS else "canceled"
    assert f"<title>#1 is {word} · " in html
    assert f'</a> is <span class="word">{word}</span></h1>' in html
    answer = (await client.get("/api/builds/1/why")).json()
    assert answer == {
        "number": 1, "problem": "It is not red.", "green": None, "same_branch": None, "news": None,
    }  # fmt: skip
    assert (await client.get("/build/9/why")).status_code == 404
    assert (await client.get("/api/builds/9/why")).status_code == 404


async def test_another_branch_is_named(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Where the own one was never green."""
    await build(client, core, GREEN, Status.SUCCESS, branch="main")
    await build(client, core, RED, Status.FAILURE, branch="topic")
    html = check(await client.get("/build/2/why"))
    assert "That was on another branch, main: on topic none was green before." in html
    html = check(await client.get("/build/2"))
    words = "the last green</a> (of another branch, <code>main</code>: here none was green before)"
    assert words in html


async def test_what_was_not_compared_is_said(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Of long logs, and of logs with more kinds of lines than are told apart."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, RED, Status.FAILURE)
    why = await core.why_red(2)
    assert why.found is not None
    news = replace(why.found.news, is_full=True, hidden=3, missing=40)
    core.whys[2] = replace(why, found=LogNews(news, why.found.missing, 5_000_000, 7_000_000))
    html = check(await client.get("/build/2/why"))
    assert "5.0 MB in the middle of this log and 7.0 MB in the middle of that of #1" in html
    assert "3 more kinds of new lines are not shown." in html
    assert "more kinds of lines than can be told apart" in html
    assert "and 39 more" in html


async def test_programs_are_told_the_same(client: httpx.AsyncClient, core: FakeCore) -> None:
    """With plain text, and all that the page says."""
    await build(client, core, GREEN, Status.SUCCESS)
    await build(client, core, RED, Status.FAILURE)
    answer = (await client.get("/api/builds/2/why")).json()
    assert (answer["number"], answer["green"], answer["same_branch"]) == (2, 1, True)
    news = answer["news"]
    lines = [line for run in news["runs"] for line in run]
    assert {
        "line": 8,
        "text": "error: 2 is not 3",
        "new": True,
        "error": True,
        "usual": False,
        "alike": 0,
    } in lines
    assert news["missing_lines"] == [{"line": 7, "text": "bye"}]
    assert (news["lines"], news["new"], news["errors"], news["hidden"]) == (9, 3, 1, 0)
    assert news["last_line"] == 9
    assert (news["little_in_common"], news["left_out"], news["too_many_kinds"]) == (False, 0, False)
