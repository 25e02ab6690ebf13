"""The pages work by links and forms; htmx gets parts of them, and 204 when nothing is new."""

from __future__ import annotations

import re
from html import escape

import httpx
import pytest

from ci.config import ServerConfig
from ci.model import AgentState, Reason, Status
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask, check, poll
from tests.unit.web.conftest import BROWSER, HTMX, open_client


async def test_the_first_page_tells_what_to_do(client: httpx.AsyncClient) -> None:
    """The form is filled in; a new user only presses Run."""
    html = check(await client.get("/", headers=BROWSER))
    assert "No builds yet" in html
    assert 'value="main"' in html
    assert 'value="make test"' in html
    assert "<select" not in html


async def test_run_leads_to_the_build(client: httpx.AsyncClient) -> None:
    """303 to its page, at the end of its log."""
    answer = await ask(client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/build/1#end")
    html = check(await client.get("/build/1"))
    assert "It waits for a free slot." in html


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"commit": "a b"}, "commit"), ({"commit": ""}, "commit"), ({"command": ""}, "command"),
        ({"repository": "elsewhere"}, "repository"), ({"commit": "--upload-pack=x"}, "commit"),
    ],
)  # fmt: skip
async def test_a_wrong_form_is_shown_again(
    client: httpx.AsyncClient, form: dict[str, str], field: str
) -> None:
    """422, what was typed is kept, and it says what is wrong."""
    answer = await ask(client, **{"command": "keep <me>", **form})
    html = check(answer, 422)
    assert f"{field}: " in html
    assert "keep &lt;me&gt;" in html or field == "command"


async def test_a_full_queue_keeps_what_was_typed(client: httpx.AsyncClient, core: FakeCore) -> None:
    """503 and when to try again, on the form."""
    core.full = True
    answer = await ask(client, command="keep <me>")
    html = check(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "7 builds wait already" in html
    assert "keep &lt;me&gt;" in html
    core.full = False
    await ask(client)
    core.full = True


@pytest.mark.parametrize("trouble", ["queue", "disk", "repository"])
async def test_run_again_that_is_refused_stays_on_the_page(
    client: httpx.AsyncClient, core: FakeCore, trouble: str
) -> None:
    """With the build, its log, why it was refused, and the button to try it once more."""
    await ask(client)
    core.print(core.start(1), b"printed\n")
    status, words = 503, "7 builds wait already"
    core.full = trouble != "repository"
    if trouble == "disk":
        words = core.in_trouble = "The disk is full."
    if trouble == "repository":
        core.rename(1, "gone")
        status, words = 422, "is not configured"
    answer = await client.post("/build/1/rerun", headers=BROWSER)
    html = check(answer, status)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert "It was not asked for again." in html
    assert html.count(words) == 1
    assert "printed" in html
    assert 'action="/build/1/rerun"' in html
    assert not re.findall(r'(?:href|src|action|hx-get)="[^/#]', html), "no address depends on its"
    told = await client.get(poll(html, "head"), headers=HTMX)
    assert "It was not asked for again." not in told.text, "nor is it asked for again"


async def test_run_again_is_of_that_commit_or_of_its_branch_now(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The buttons say which; where a hash was asked for, or none is known, there is one."""
    await ask(client)
    assert "<button>Run again</button>" in check(await client.get("/build/1"))
    core.describe(1, commit_hash="b6fd8dd3" * 5)
    html = check(await client.get("/build/1"))
    assert "<button>Run again on b6fd8dd3</button>" in html
    assert f"<button>Run again on {(await core.build(1)).build.commit}</button>" in html
    [exact] = re.findall(r'action="(/build/1/rerun\?[^"]*)"', html)
    await client.post(exact)
    assert (await core.build(2)).build.commit == "b6fd8dd3" * 5
    core.describe(2, commit_hash="b6fd8dd3" * 5)
    assert "<button>Run again</button>" in check(await client.get("/build/2"))


async def test_trouble_stands_above_what_one_may_press(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Whoever presses Run has read it; open pages are told, and told when it is over."""
    await ask(client)
    quiet = {path: check(await client.get(path)) for path in ("/", "/build/1", "/agents")}
    core.in_trouble = "The disk is <full>."
    core.start(1)
    for (path, html), part in zip(quiet.items(), ("builds", "head", "agents"), strict=True):
        assert 'class="trouble"' not in html
        html_now = check(await client.get(path))
        assert html_now.index("The disk is &lt;full&gt;.") < html_now.index("<h1")
        told = (await client.get(poll(html, part), headers=HTMX)).text
        assert re.search(r'<div id="trouble" hx-swap-oob="outerMorph">\s*<p', told)
        assert told.count("The disk is") == 1
    assert "hx-swap-oob" not in html_now
    core.in_trouble = None
    core.lose(1)
    told = (await client.get(poll(quiet["/"], "builds"), headers=HTMX)).text
    assert re.search(r'<div id="trouble" [^>]*>\s*</div>', told)


async def test_a_full_disk_keeps_what_was_typed(client: httpx.AsyncClient, core: FakeCore) -> None:
    """503 on the form, which says it once."""
    core.full, core.in_trouble = True, "The disk is full."
    answer = await ask(client, command="keep <me>")
    html = check(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "keep &lt;me&gt;" in html
    assert html.count("The disk is full.") == 1
    assert "Nothing was taken, for the reason above." in html


async def test_a_form_in_a_wrong_encoding_is_no_failure(client: httpx.AsyncClient) -> None:
    """Bytes that are no text, and none at all."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"commit=\xff&command=%ff", b"", b"commit=%00&command=x", b"&&&=="):
        answer = await client.post("/builds", content=body, headers=headers)
        assert answer.status_code == 422
    answer = await client.post("/builds", content=b"x", headers={"Content-Type": "multipart/x"})
    assert 400 <= answer.status_code < 500


async def test_the_list_shows_all_states(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Each with its word; filters and older builds are links."""
    for _ in range(60):
        await ask(client)
    core.start(60)
    core.start(59)
    core.end(59, Status.FAILURE, exit_code=3)
    core.start(58)
    core.end(58, Status.ERROR, Reason.CHECKOUT_FAILED, message="no such branch")
    html = check(await client.get("/", headers=BROWSER))
    assert "exit code 3" in html
    assert "Git could not bring the commit." in html
    assert "before=11" in html
    assert '<tr id="b60"' in html
    assert '<tr id="b10"' not in html
    html = check(await client.get("/?before=11"))
    assert '<tr id="b10"' in html
    html = check(await client.get("/?status=failure"))
    assert '<tr id="b59"' in html
    assert '<tr id="b60"' not in html
    html = check(await client.get("/?q=nothing+like+it"))
    assert "No build matches" in html


async def test_the_list_says_nothing_when_there_is_no_news(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """204 before anything is asked of the store; a change, or a tick, is sent."""
    await ask(client)
    page = await client.get("/", headers=BROWSER)
    assert page.headers["Vary"] == "HX-Request"
    url = poll(page.text, "builds")
    asked = core.queries
    answer = await client.get(url, headers=HTMX)
    assert (answer.status_code, answer.content) == (204, b"")
    assert core.queries == asked
    core.start(1)
    answer = await client.get(url, headers=HTMX)
    assert answer.status_code == 200
    assert answer.text.startswith("<title>1 running")
    assert answer.text == answer.text.strip()
    url = poll(answer.text, "builds")
    assert (await client.get(url, headers=HTMX)).status_code == 204
    assert core.clock is not None
    core.clock = core.clock.replace(second=59)
    answer = await client.get(url, headers=HTMX)
    assert "37 s" in answer.text


async def test_a_part_without_htmx_is_the_whole_page(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Whoever opens a part's address by hand gets a page."""
    await ask(client)
    core.start(1)
    html = check(await client.get("/build/1"))
    for part in ("head", "log"):
        check(await client.get(poll(html, part)))
    check(await client.get(poll(check(await client.get("/")), "builds")))


async def test_a_running_build_grows(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Each line is sent once; then the tail ends by itself."""
    await ask(client)
    id = core.start(1)
    core.print(id, b"one\n\x1b[31mtwo")
    html = check(await client.get("/build/1"))
    assert html.count('class="line"') == 2
    url = poll(html, "log")
    assert (await client.get(url, headers=HTMX)).status_code == 204
    core.print(id, b" more\nthree")
    answer = await client.get(url, headers=HTMX)
    assert 'id="L1"' not in answer.text
    assert '<span class="f1">two more</span>' in answer.text
    # The colour goes on in the next line, which is not finished and has no anchor yet.
    assert '<span class="f1">three</span>' in answer.text
    assert 'id="L3"' not in answer.text
    url = poll(answer.text, "log")
    core.end(1, Status.FAILURE, exit_code=1)
    answer = await client.get(url, headers=HTMX)
    assert 'id="L3"' in answer.text
    assert "hx-get" not in answer.text
    assert "exit code 1" in answer.text
    head = await client.get(poll(html, "head"), headers=HTMX)
    assert head.text.startswith("<title>#1 failure")
    assert "hx-get" not in head.text
    check(await client.get("/build/1"))


async def test_the_tail_survives_a_take_over(client: httpx.AsyncClient, core: FakeCore) -> None:
    """It says that the build waits, then shows the new attempt and links the old one."""
    await ask(client)
    html = check(await client.get("/build/1"))
    first = core.start(1)
    answer = await client.get(poll(html, "log"), headers=HTMX)
    assert answer.headers["HX-Retarget"] == "#log"
    core.print(first, b"begun\n")
    answer = await client.get(poll(answer.text, "log"), headers=HTMX)
    assert "HX-Retarget" not in answer.headers
    core.lose(1, "oak does not answer")
    answer = await client.get(poll(answer.text, "log"), headers=HTMX)
    assert "The build waits for its next attempt." in answer.text
    url = poll(answer.text, "log")
    assert (await client.get(url, headers=HTMX)).status_code == 204
    core.print(core.start(1, "birch"), b"again\n")
    answer = await client.get(url, headers=HTMX)
    assert answer.headers["HX-Retarget"] == "#log"
    assert "again" in answer.text
    assert "oak does not answer" in answer.text
    html = check(await client.get("/build/1?attempt=1.1.1"))
    assert "begun" in html
    assert "part=log" not in html
    assert (await client.get("/build/1?attempt=9.9.9")).status_code == 404


async def test_a_log_whose_middle_is_left_out_says_so(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Above the log, with a link to the place; an open page learns of it."""
    await ask(client)
    core.print(core.start(1), b"head\n")
    html = check(await client.get("/build/1"))
    assert "left out" not in html
    core.cut(1, 5)
    answer = await client.get(poll(html, "log"), headers=HTMX)
    assert "left out" not in answer.text
    url = poll(answer.text, "log")
    assert (await client.get(url, headers=HTMX)).status_code == 204
    core.print("1.1.1", b"[the limit is reached]\n")
    answer = await client.get(url, headers=HTMX)
    assert answer.headers["HX-Retarget"] == "#log"
    assert "what it prints now is left out" in answer.text
    url = poll(answer.text, "log")
    assert (await client.get(url, headers=HTMX)).status_code == 204
    core.print("1.1.1", b"[9 bytes are left out here]\ntail\n")
    core.end(1, Status.SUCCESS, exit_code=0)
    answer = await client.get(url, headers=HTMX)
    assert "The middle of this log is left out" in answer.text
    assert "hx-get" not in answer.text
    assert 'href="/build/1?from=5#logbar"' in answer.text
    html = check(await client.get("/build/1?from=5"))
    assert html.count('class="line ours"') == 2


async def test_a_log_that_was_cut_and_never_came_to_its_end_says_so(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """A runaway build is mostly canceled."""
    await ask(client)
    core.print(core.start(1), b"head\n[the limit is reached]\n")
    core.cut(1, 5)
    core.end(1, Status.CANCELED, Reason.CANCELED)
    assert "The rest of this log is left out" in check(await client.get("/build/1"))


async def test_the_list_says_what_an_agent_does_with_a_build(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """A command may have ended long before its result is delivered: also the list says so."""
    await ask(client)
    core.start(1)
    html = check(await client.get("/"))
    assert "delivering" not in html
    core.describe(1, phase="delivering its result")
    told = await client.get(poll(html, "builds"), headers=HTMX)
    assert "delivering its result" in told.text
    core.end(1, Status.SUCCESS, exit_code=0)
    assert "delivering" not in check(await client.get("/"))


async def test_a_build_that_never_ran_is_shown(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Canceled while it waited: the log's place says so and asks no more."""
    await ask(client)
    html = check(await client.get("/build/1"))
    assert (await client.post("/build/1/cancel")).headers["Location"] == "/build/1"
    answer = await client.get(poll(html, "log"), headers=HTMX)
    assert "It ended before an agent took it." in answer.text
    assert "hx-get" not in answer.text
    assert "hx-get" not in check(await client.get("/build/1"))
    assert core.queries


async def test_cancel_and_run_again(client: httpx.AsyncClient) -> None:
    """Forms that lead back to a page; a second Cancel is no error for a person."""
    await ask(client)
    for _ in range(2):
        answer = await client.post("/build/1/cancel")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/build/1")
    answer = await client.post("/build/1/rerun")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/build/2#end")
    assert (await client.post("/build/9/cancel", headers=BROWSER)).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "at=-1", "at=x", "line=0", "inside=2", "style=%3Cb%3E", "style=bb", "growing=no",
        "start=" + "9" * 40, "shown=1.5", "attempt=%00", "cut=2",
    ],
)  # fmt: skip
async def test_a_wrong_tail_is_refused(client: httpx.AsyncClient, query: str) -> None:
    """422, as any other wrong address."""
    await ask(client)
    answer = await client.get(f"/build/1?part=log&{query}", headers=HTMX)
    assert answer.status_code == 422


async def test_what_a_build_says_can_never_become_markup(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Commit subject, author, command, message, log, agent: all is text."""
    evil = "<script>alert(1)</script>"
    await ask(client, command=evil)
    core.add_agent(evil, problem=evil)
    id = core.start(1, evil)
    core.print(id, evil.encode() + b"\n" + evil.encode())
    core.describe(1, subject=evil, author=evil, branch=evil, commit_hash=evil, phase=evil)
    for _ in range(2):
        for path in ("/", "/build/1", "/agents"):
            html = check(await client.get(path, headers=BROWSER))
            assert "<script>" not in html
            assert "&lt;script&gt;" in html
        core.lose(1, evil)
        core.start(1, evil)
        core.end(1, Status.ERROR, Reason.INTERNAL, message=evil)


async def test_an_agent_that_takes_no_work_is_not_online_green(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """On the list, on the agents' page and in the API: in a word of its own."""
    assert "none yet" in check(await client.get("/"))
    core.add_agent("oak", takes_work=False, problem="The disk is short.")
    for path in ("/", "/agents"):
        html = check(await client.get(path))
        assert 'class="state work"' in html
        assert 'class="state online"' not in html
        assert "not taking work" in html
    assert "The disk is short." in html
    [told] = (await client.get("/api/agents")).json()["agents"]
    assert (told["state"], told["takes_work"]) == ("online", False)
    core.add_agent("elm", state=AgentState.LOST)
    core.add_agent("ash")
    core.add_agent("fir")
    html = check(await client.get("/"))
    found = re.findall(r'class="state (\w+)">([^<]+)<', html)
    assert found == [("online", "2 online"), ("work", "1 not taking work"), ("lost", "1 lost")]


async def test_agents_are_shown_paused_and_resumed(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """By forms, whatever the agent's name is."""
    assert "No agents yet" in check(await client.get("/agents"))
    name = "10.0.0.7:8081/a b?#é"
    core.add_agent(name)
    core.add_agent("elm", state=AgentState.LOST, problem="connection refused")
    html = check(await client.get("/agents"))
    assert "connection refused" in html
    assert f'name="name" value="{escape(name)}"' in html
    answer = await client.post("/agents/pause", data={"name": name})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/agents")
    html = check(await client.get("/agents"))
    assert "paused" in html
    assert html.count('action="/agents/resume"') == 1
    await client.post("/agents/resume", data={"name": name})
    assert "/resume" not in check(await client.get("/agents"))
    answer = await client.post("/agents/pause", data={"name": "nobody"}, headers=BROWSER)
    assert answer.status_code == 404
    url = poll(check(await client.get("/agents")), "agents")
    assert (await client.get(url, headers=HTMX)).status_code == 204


async def test_several_repositories_are_chosen_from() -> None:
    """A select in the form and in the filter."""
    core = FakeCore(ServerConfig.check({"repositories": {"one": "/srv/one", "two": "/srv/two"}}))
    async with open_client(core) as client:
        html = check(await client.get("/"))
        assert html.count("<option") == 5
        await ask(client, repository="two")
        assert "two" in check(await client.get("/build/1"))
        html = check(await ask(client, repository="two", commit=""), 422)
        assert "<option selected>two" in html


async def test_a_password_in_an_url_is_never_shown() -> None:
    """Not on a page, not in the API, not in a choice; the choices still work."""
    urls = ["https://user:hunter2@example.org/one.git", "https://hunter2@example.org/two.git"]
    core = FakeCore(ServerConfig.check({"repositories": urls}))
    shown = "https://example.org/two.git"
    async with open_client(core) as client:
        await ask(client, repository=shown)
        core.rename(1, urls[1])  # a build of a time when names still had their passwords
        for path in ("/", "/?repository=" + shown, "/build/1", "/api/builds", "/api/builds/1"):
            answer = await client.get(path, headers=BROWSER)
            assert answer.status_code == 200
            assert shown in answer.text
            assert "hunter2" not in answer.text
        assert f"<option selected>{shown}" in check(await client.get(f"/?repository={shown}"))
        html = check(await ask(client, repository=shown, commit=""), 422)
        assert f"<option selected>{shown}" in html
        assert "hunter2" not in html
    core = FakeCore(ServerConfig.check({"repository": urls[0]}))
    async with open_client(core) as client:
        assert "of <code>https://example.org/one.git</code>" in check(await client.get("/"))


async def test_a_lost_agent_is_forgotten_by_a_button(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Only a lost one has it; pressed too late it leads to the list as it is."""
    core.add_agent("oak")
    core.add_agent("elm", state=AgentState.LOST)
    html = check(await client.get("/agents"))
    assert html.count('action="/agents/forget"') == 1
    answer = await client.post("/agents/forget", data={"name": "elm"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/agents")
    assert "elm" not in check(await client.get("/agents"))
    assert (await client.post("/agents/forget", data={"name": "oak"})).status_code == 303
    assert "oak" in check(await client.get("/agents"))
    assert (await client.post("/agents/forget", data={"name": "elm"})).status_code == 404
