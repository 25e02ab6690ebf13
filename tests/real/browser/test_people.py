"""Accounts in a browser: from a server that lets everybody in to one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import html5lib
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from tests.real.browser.conftest import PHONE
from tests.real.harness import Server

PASSWORD: Final = "correct horse battery"
WIDE: Final = {"width": 1280, "height": 800}


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form that is there."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def add_account(page: Page, server: Server, name: str, role: str) -> None:
    """Make an account on the page of an administrator, or of anybody while there is none."""
    page.goto(f"{server.url}/people")
    form = page.get_by_role("form", name="New account")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Role").select_option(role)
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="Add").click()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab that may be refused something, of which Chromium tells as of an error."""
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def other(browser: Browser) -> Iterator[Page]:
    """The browser of somebody else, without JavaScript."""
    with browser.new_context(java_script_enabled=False) as context:
        yield context.new_page()


def test_who_was_let_in_may_do_less_or_more(server: Server, page: Page, other: Page) -> None:
    """All by pages: the first account, another one, what each may do, and being shut out."""
    add_account(page, server, "boss", "admin")
    expect(page).to_have_url(f"{server.url}/login?next=/people")
    log_in(page, "boss", "not the password")
    expect(page.get_by_role("alert")).to_have_text("the name or the password is wrong")
    expect(page.get_by_label("Name")).to_have_value("boss")
    log_in(page, "boss")
    expect(page).to_have_url(f"{server.url}/people")
    add_account(page, server, "ann", "viewer")

    other.goto(server.url)
    expect(other.get_by_role("button", name="Run")).to_have_count(0)
    other.get_by_role("link", name="Log in").click()
    log_in(other, "ann")
    expect(other).to_have_url(f"{server.url}/")
    expect(other.get_by_role("button", name="Run")).to_have_count(0)
    expect(other.get_by_role("link", name="People")).to_have_count(0)

    page.get_by_text("Change ann…").click()
    page.get_by_label("Role of ann").select_option("runner")
    page.get_by_role("button", name="Set role").and_(page.locator(":visible")).click()
    other.reload()
    other.get_by_role("button", name="Run").click()
    expect(other.locator("#build h1")).to_contain_text("#1")
    expect(other.get_by_text("by ann")).to_be_visible()

    page.goto(f"{server.url}/audit")
    expect(page.get_by_role("row", name="ann 127.0.0.1 asked for build 1")).to_be_visible()
    page.goto(f"{server.url}/people")
    page.get_by_text("Change ann…").click()
    page.get_by_role("button", name="Shut out").and_(page.locator(":visible")).click()
    other.reload()
    expect(other.get_by_role("link", name="Log in")).to_be_visible()
    log_in_again = f"{server.url}/login"
    other.goto(log_in_again)
    log_in(other, "ann")
    expect(other.get_by_role("alert")).to_have_text("the name or the password is wrong")


def test_an_open_page_whose_session_has_ended_leads_to_the_log_in(
    server: Server, page: Page, browser: Browser
) -> None:
    """It does not stand there as if the server were gone."""
    add_account(page, server, "boss", "admin")
    log_in(page, "boss")
    server.stop()
    server.flags["anonymous-view"] = "false"
    server.start()
    page.goto(server.url)
    with browser.new_context() as context:
        other = context.new_page()
        other.goto(f"{server.url}/account")
        log_in(other, "boss")
        other.get_by_role("button", name="Log out everywhere").click()
        expect(other).to_have_url(f"{server.url}/login")
    expect(page).to_have_url(f"{server.url}/login?next=/", timeout=30_000)


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)])
def test_anybody_can_use_these_pages(
    server: Server, browser: Browser, scheme: Any, size: Any
) -> None:
    """Names, roles, contrast, valid HTML, and nothing that is wider than a phone."""
    with browser.new_context(color_scheme=scheme, viewport=size) as context:
        page = context.new_page()
        page.goto(f"{server.url}/people")
        look(page)
        add_account(page, server, "boss", "admin")
        look(page)
        log_in(page, "boss")
        page.goto(f"{server.url}/account")
        page.get_by_role("form", name="New token").get_by_label("Name").fill("a" * 60)
        page.get_by_role("button", name="Make a token").click()
        look(page)
        for path in ("/people", "/audit", "/"):
            page.goto(server.url + path)
            look(page)


def look(page: Page) -> None:
    """Check the page that is shown."""
    violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
    html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page.content())
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert width <= 0, page.url
