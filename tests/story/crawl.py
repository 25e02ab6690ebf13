"""A visitor who follows every link of the pages, and what he must never find on his way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree as ET

import html5lib
import httpx

from tests.story.world import SERVER

HOME: Final = f"http://{SERVER}/"
MOST: Final = 200  # answers: those that a story begins with, and what they lead to at once
# What comes from outside brings these; as markup they would be an element and an attribute.
ELEMENT: Final = "x-evil"
ATTRIBUTE: Final = "onevil"
MARKUP: Final = f"\"'`><{ELEMENT} {ATTRIBUTE}=x style=x>{{{{7*7}}}}&lt;{ELEMENT}&gt;"
LEADS: Final = frozenset(
    {"href", "src", "action", "hx-get", "hx-post", "formaction", "data", "poster"}
)
_ODD_LETTER: Final = "invalid-codepoint"  # a command has what its author typed
SCHEMES: Final = frozenset({"", "http", "https"})


def look(answer: httpx.Response) -> set[str]:
    """Check one answer, whatever it is, and return the addresses on this server that it names."""
    for name, value in answer.headers.items():
        assert re.fullmatch(r"[\x20-\x7e]*", value), f"{answer.url}: {name}: {value!r}"
        assert ELEMENT not in name
    if "Location" in answer.headers:
        return {_lead(answer, answer.headers["Location"])}
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind == "text/html":
        return set(_in_html(answer))
    if kind in ("image/svg+xml", "application/atom+xml"):
        return set(_in_xml(answer))
    if kind == "application/json":
        json.loads(answer.text)
    else:  # a browser must not guess that it is a page
        assert kind in ("text/plain", "text/css", "text/javascript") or not answer.content, kind
    return set()


def _in_html(answer: httpx.Response) -> Iterator[str]:
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    document = parser.parse(answer.text)
    faults = [code for _, code, _ in parser.errors if code != _ODD_LETTER]
    # A part is sent without the page around it.
    assert not faults or "<html" not in answer.text[:200], f"{answer.url}: {faults[:3]}"
    for element in document.iter():
        assert element.tag != ELEMENT, answer.url
        assert element.tag != "script" or element.get("src"), answer.url
        for name, value in element.items():
            assert not name.startswith("on"), f"{answer.url}: {name}"
            assert name != "style", answer.url
            if name in LEADS:
                yield _lead(answer, value)


def _in_xml(answer: httpx.Response) -> Iterator[str]:
    for element in ET.fromstring(answer.content).iter():
        assert not element.tag.endswith((ELEMENT, "}script", "}foreignObject")), answer.url
        for name, value in element.items():
            assert not name.startswith("on"), f"{answer.url}: {name}"
            if name == "href":
                yield _lead(answer, value)


def _lead(answer: httpx.Response, value: str) -> str:
    assert urlsplit(value.strip()).scheme.lower() in SCHEMES, f"{answer.url}: {value}"
    assert value.isprintable(), f"{answer.url}: {value!r}"
    found = urljoin(str(answer.url), value)
    # Nothing that was said leads away from this server.
    assert urlsplit(found).netloc == SERVER, f"{answer.url}: {value}"
    return found


async def crawl(client: httpx.AsyncClient, starts: list[str]) -> int:
    """Follow all links from these addresses on; return how many answers were looked at."""
    asked: set[str] = set()
    todo = [urljoin(HOME, start) for start in starts]
    while todo and len(asked) < MOST:
        address = todo.pop(0).partition("#")[0]
        # A text ends with its build only; a page that loads itself is the same page.
        if address in asked or address.endswith(".txt") or "refresh=1" in address:
            continue
        asked.add(address)
        answer = await client.get(address, headers={"Accept": "text/html,*/*;q=0.1"})
        assert answer.status_code < 500, f"{address}: {answer.text[:300]}"
        found = look(answer)
        todo += sorted(found)
    return len(asked)
