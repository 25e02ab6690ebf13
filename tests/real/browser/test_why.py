"""A person asks why a build is red: one click from its page, and the failing line is in sight."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.real.harness import Server
from tests.real.repository import Repository

# What each build prints anew: times, a port, its own folder, a name of a temporary file.
NOISE = "date; echo listening on 127.0.0.1:$$; pwd; mktemp -u; seq 300 | sed 's/^/PASSED test /'"


def test_the_failing_line_is_in_sight_after_one_click(
    server: Server, repository: Repository, plain_page: Page
) -> None:
    """Among what looks like an error, and without JavaScript; its number leads into the log."""
    page = plain_page
    command = f"{NOISE}; sh test.sh; seq 300 | sed 's/^/cleaned up /'; exec sh test.sh"
    repository.commit({"test.sh": "echo error: refused, as is right"}, "Test it")
    green = server.submit(command)
    assert server.wait_build(green)["status"] == "success"
    test = "echo error: refused, as is right; echo 'AssertionError: 1696 is not 1697'; exit 1"
    repository.commit({"test.sh": test}, "Break it")
    red = server.submit(command)
    assert server.wait_build(red)["status"] == "failure"
    page.goto(f"{server.url}/build/{red}")
    page.get_by_role("link", name=f"What is new since #{green}, the last green").click()
    expect(page).to_have_url(f"{server.url}/build/{red}/why")
    line = page.locator(".line.marked", has_text="AssertionError: 1696 is not 1697")
    expect(line).to_be_in_viewport()
    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator("main")).to_contain_text("Break it")
    line.get_by_role("link").click()
    expect(page.locator(".line.marked", has_text="AssertionError")).to_be_in_viewport()
