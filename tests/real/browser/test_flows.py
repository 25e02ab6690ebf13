"""A person at the pages: presses Run, watches, cancels, asks again; with and without JavaScript."""

from __future__ import annotations

import time

from playwright.sync_api import Page, expect

from tests.real.harness import Program, Server


def test_press_run_and_watch_it(server: Server, page: Page) -> None:
    """The form is filled in; one press leads to a build that becomes green by itself."""
    page.goto(server.url)
    page.get_by_role("button", name="Run").click()
    expect(page).to_have_url(f"{server.url}/build/1#end")
    expect(page.locator("#log")).to_contain_text("A project.")
    expect(page.locator("#build h1")).to_contain_text("success")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.get_by_role("button", name="Run again on main").click()
    expect(page).to_have_url(f"{server.url}/build/2#end")


def test_cancel_on_the_page(server: Server, page: Page) -> None:
    """It says canceled at once."""
    number = server.submit("echo begun; sleep 1000")
    page.goto(f"{server.url}/build/{number}")
    expect(page.locator("#log")).to_contain_text("begun")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#build h1")).to_contain_text("canceled")


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
    page.get_by_role("button", name="Run again").last.click()
    expect(page).to_have_url(f"{server.url}/build/2#end")
    assert server.post("/api/builds/2/cancel").status_code == 200
    page.goto(server.url)
    page.get_by_role("link", name="canceled").first.click()
    expect(page.locator("#builds tbody tr")).to_have_count(2)


def test_agents_are_shown_and_paused(server: Server, page: Page) -> None:
    """Who is there, who died; a paused one takes no work until it is resumed."""
    page.goto(f"{server.url}/agents")
    expect(page.locator("main")).to_contain_text("online")
    page.get_by_text("Pause…").click()
    page.get_by_placeholder("why?").fill("a new disk")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("main")).to_contain_text("paused: a new disk")
    number = server.submit("echo hello")
    time.sleep(1)
    assert server.build(number)["status"] == "waiting"
    page.get_by_role("button", name="Resume").click()
    assert server.wait_build(number)["status"] == "success"
    agent: Program = next(p for p in server.site.programs if p.module == "ci.agent")
    agent.kill()
    expect(page.locator("main")).to_contain_text("lost")


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


def test_an_agent_is_paused_without_javascript(server: Server, plain_page: Page) -> None:
    """By its form, and its word stands there for all."""
    page = plain_page
    page.goto(f"{server.url}/agents")
    page.get_by_text("Pause…").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#agents")).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#agents")).to_contain_text("online")
