"""What every page owes, in every state: it is valid, fits its window, and anybody can use it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import html5lib
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

from tests.real.browser.scene import PAGES, Scene, open_scene
from tests.real.harness import Site

EARLIER: Final = 120  # builds of before: the list has three pages
SMALLEST_PX: Final = 360
LARGEST_PX: Final = 2560
HEIGHT_PX: Final = 800
BROWSER: Final = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """All states at once, made once: what looks at them changes nothing."""
    site = Site(tmp_path_factory.mktemp("scene"))
    try:
        yield open_scene(site, EARLIER)
    finally:
        site.close()


def complaints(page: Page) -> list[str]:
    """Return what axe finds: the rule, how bad it is, and the first place."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html']}" for one in found]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", SMALLEST_PX)])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(
    scene: Scene, browser: Browser, name: str, scheme: Any, width: int
) -> None:
    """Names, roles, landmarks, headings, contrast, targets: on a phone and on a wide screen."""
    with browser.new_context(color_scheme=scheme, reduced_motion="reduce") as context:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": HEIGHT_PX})
        page.goto(scene[name])
        assert complaints(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_valid_html(scene: Scene, name: str) -> None:
    """Read as the standard says, without one correction; each id is there once, so is h1."""
    html = scene.site.http.get(scene[name], headers=BROWSER).content
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(html)
    ids = Counter(element.get("id") for element in document.iter() if element.get("id"))
    assert [id for id, count in ids.items() if count > 1] == []
    assert len(list(document.iter("h1"))) == 1
    assert document.get("lang") == "en"


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_its_window(scene: Scene, browser: Browser, name: str) -> None:
    """Whatever words it has, from a small phone to a very wide screen."""
    with browser.new_context() as context:
        page = context.new_page()
        for width in (SMALLEST_PX, LARGEST_PX):
            page.set_viewport_size({"width": width, "height": HEIGHT_PX})
            page.goto(scene[name])
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_checks_the_pages_finds_faults(browser: Browser) -> None:
    """A page with a fault of each kind does not pass."""
    html = "<!doctype html><html lang=en><title>x</title><main><h1>x</h1><p id=a><p id=a>{}</main>"
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(html.format("<input><font style='color: #aaa; background: #fff'>faint"))
        found = " ".join(complaints(page))
    assert "label (critical)" in found
    assert "color-contrast (serious)" in found
    with pytest.raises(html5lib.html5parser.ParseError):
        html5lib.HTMLParser(strict=True).parse(html.format("<b><i></b></i>"))


@pytest.mark.parametrize("name", PAGES)
def test_a_relative_time_tells_the_exact_one(scene: Scene, name: str) -> None:
    """On hover, and for programs: "2 min ago" alone can't be compared with a log."""
    html = scene.site.http.get(scene[name], headers=BROWSER).content
    document = html5lib.HTMLParser(namespaceHTMLElements=False).parse(html)
    for element in document.iter():
        if re.search(r"\b(ago|just now)\b", element.text or ""):
            assert element.tag == "time", element.text
            assert (element.get("title") or "").endswith(" UTC")
            assert (element.get("datetime") or "").endswith("Z")
