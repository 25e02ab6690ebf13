"""A person at the pages: presses Run, watches the log grow, cancels, survives restarts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.real.harness import Program, Server, Site, held
from tests.real.repository import Repository

PHONE = {"width": 360, "height": 740}


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """A server with one agent that is online."""
    server = site.server(repository.path, default_command="cat README.md")
    server.start()
    agent = site.agent(server, slots=2)
    agent.start()
    server.wait_agents(1)
    return server


@pytest.fixture
def plain_page(browser: Browser) -> Iterator[Page]:
    """A tab without JavaScript."""
    with browser.new_context(java_script_enabled=False) as context:
        yield context.new_page()


def test_press_run_and_watch_it(server: Server, page: Page) -> None:
    """The form is filled in; one press leads to a build that becomes green by itself."""
    page.goto(server.url)
    page.get_by_role("button", name="Run").click()
    expect(page).to_have_url(f"{server.url}/build/1#end")
    expect(page.locator("#log")).to_contain_text("A project.")
    expect(page.locator("#build h1")).to_contain_text("success")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.get_by_role("button", name="Run again").click()
    expect(page).to_have_url(f"{server.url}/build/2#end")


def test_the_list_refreshes_by_itself(server: Server, page: Page, tmp_path: Path) -> None:
    """A build that somebody else asked for appears, runs and ends, without a reload."""
    page.goto(server.url)
    expect(page.get_by_text("No builds yet")).to_be_visible()
    page.fill("#command", "half written")
    go = tmp_path / "go"
    number = server.submit(f"{held(go)}; exit 1")
    row = page.locator(f"#b{number}")
    expect(row).to_contain_text("running")
    go.touch()
    expect(row).to_contain_text("failure")
    assert page.input_value("#command") == "half written", "a refresh leaves the form alone"


def test_a_line_comes_to_the_screen_by_itself(server: Server, page: Page, tmp_path: Path) -> None:
    """From the command's write to the browser, which asks each second."""
    go = tmp_path / "go"
    number = server.submit(f"echo begun; {held(go)}; echo seen")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#log")).to_contain_text("begun")
    expect(page.locator("#log [hx-trigger]")).to_have_attribute("hx-trigger", "every 1s")
    go.touch()
    expect(page.locator("#log")).to_contain_text("seen")


def test_selected_text_stays_selected_while_the_log_grows(server: Server, page: Page) -> None:
    """Lines that are on the page are never drawn again."""
    number = server.submit("for i in $(seq 1 100); do echo line $i; sleep 0.2; done")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#L2")).to_be_visible()
    page.locator("#L2 span").select_text()
    expect(page.locator("#L12")).to_be_attached()
    assert page.evaluate("getSelection().toString()").strip() == "line 2"
    server.post(f"/api/builds/{number}/cancel")


def test_a_restarted_server_needs_no_reload(server: Server, page: Page) -> None:
    """Killed while a page is open and a build runs: page and build go on."""
    number = server.submit("for i in $(seq 1 12); do echo line $i; sleep 0.5; done")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#L3")).to_be_visible()
    server.kill()
    time.sleep(2)
    server.start()
    expect(page.locator("#L12")).to_be_visible()
    expect(page.locator("#build h1")).to_contain_text("success")
    lines = page.locator("#log .line span").all_inner_texts()
    assert [line.strip() for line in lines] == [f"line {i}" for i in range(1, 13)]


def test_pages_say_that_nobody_answers(server: Server, page: Page) -> None:
    """What they show would look like the present. They go on when somebody answers."""
    server.submit("sleep 1000")
    warnings = []
    for path in ("/", "/build/1", "/agents"):
        tab = page.context.new_page()
        tab.goto(f"{server.url}{path}")
        warnings.append(tab.get_by_text("has not answered"))
    for warning in warnings:
        expect(warning).to_be_attached()
        expect(warning).not_to_be_visible()
    server.kill()
    for warning in warnings:
        expect(warning).to_be_visible()
    server.start()
    for warning in warnings:
        expect(warning).not_to_be_visible()


def test_cancel_on_the_page(server: Server, page: Page) -> None:
    """It says canceled at once."""
    number = server.submit("echo begun; sleep 1000")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#log")).to_contain_text("begun")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#build h1")).to_contain_text("canceled")


def test_the_log_is_followed_until_the_reader_scrolls(server: Server, page: Page) -> None:
    """At its end the page stays at its end; where the reader scrolled to, it stays there."""
    number = server.submit("for i in $(seq 1 400); do echo line $i; sleep 0.02; done; sleep 60")
    page.goto(f"{server.url}/build/{number}#end")
    # One refresh may add more lines than a window shows, so only the last one must be seen.
    expect(page.locator("#L300")).to_be_attached()
    expect(page.locator("#end")).to_be_in_viewport()
    expect(page.locator("#L400")).to_be_in_viewport()
    server.post(f"/api/builds/{number}/cancel")

    number = server.submit("seq 1 200; for i in $(seq 1 200); do echo line $i; sleep 0.05; done")
    page.goto(f"{server.url}/build/{number}#end")
    expect(page.locator("#L210")).to_be_attached()
    page.locator("#L20").scroll_into_view_if_needed()
    page.mouse.wheel(0, -50)
    before = page.evaluate("scrollY")
    expect(page.locator("#L300")).to_be_attached()
    assert abs(page.evaluate("scrollY") - before) < 200
    server.post(f"/api/builds/{number}/cancel")


def test_what_a_build_prints_is_never_html(server: Server, page: Page) -> None:
    """Not in the log, not in a subject, not in a command."""
    script = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
    number = server.submit(f"echo \"{script}\"; printf '\\033[31mred\\033[0m'")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#build h1")).to_contain_text("success")
    expect(page.locator("#log")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#log img, #log script")).to_have_count(0)
    expect(page.locator("#log span[class]", has_text="red")).to_have_count(1)
    page.goto(server.url)
    expect(page.locator("#builds")).to_contain_text("<script>")
    assert "owned" not in page.title()


def test_everything_works_without_javascript(server: Server, plain_page: Page) -> None:
    """Run, read the log, cancel, run again, filter: by links and forms."""
    page = plain_page
    page.goto(server.url)
    page.fill("#command", "echo plain; sleep 1000")
    page.get_by_role("button", name="Run").click()
    expect(page).to_have_url(f"{server.url}/build/1#end")
    server.wait_log(1, b"plain")
    page.reload()
    expect(page.locator("#log")).to_contain_text("plain")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#build h1")).to_contain_text("canceled")
    page.get_by_role("button", name="Run again").click()
    expect(page).to_have_url(f"{server.url}/build/2#end")
    assert server.post("/api/builds/2/cancel").status_code == 200
    page.goto(server.url)
    page.get_by_role("link", name="canceled").first.click()
    expect(page.locator("#builds tbody tr")).to_have_count(2)


def test_agents_are_shown_and_paused(server: Server, page: Page) -> None:
    """Who is there, who died; a paused one takes no work until it is resumed."""
    page.goto(f"{server.url}/agents")
    expect(page.locator("main")).to_contain_text("online")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("main")).to_contain_text("paused")
    number = server.submit("echo hello")
    time.sleep(1)
    assert server.build(number)["status"] == "waiting"
    page.get_by_role("button", name="Resume").click()
    assert server.wait_build(number)["status"] == "success"
    agent: Program = next(p for p in server.site.programs if p.module == "ci.agent")
    agent.kill()
    expect(page.locator("main")).to_contain_text("lost")


@pytest.mark.parametrize("path", ["/", "/build/1", "/agents", "/nowhere"])
def test_a_phone_needs_no_sideways_scrolling(server: Server, browser: Browser, path: str) -> None:
    """Neither the list, nor a build with long words, nor any other page is wider than it."""
    server.submit(f"echo {'long' * 100}; echo {'word ' * 100}")
    server.wait_build(1)
    with browser.new_context(viewport=PHONE) as context:  # type: ignore[arg-type]  # a TypedDict
        page = context.new_page()
        page.goto(server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_large_line_number_stands_beside_its_line(server: Server, page: Page) -> None:
    """On a phone, too: a number of seven digits does not reach into the text."""
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    number = server.submit("seq 1000001")
    server.wait_build(number)
    page.goto(f"{server.url}/build/{number}#end")
    row = page.locator("#L1000001")
    expect(row).to_contain_text("1000001")
    overhang = row.locator("a").evaluate("a => a.scrollWidth - a.clientWidth")
    assert overhang <= 0, f"the number stands out by {overhang} px"
