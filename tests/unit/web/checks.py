"""What a page must be, whatever it shows; where it asks for news; and how a build is asked for."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import httpx

VOID = {"meta", "link", "input", "circle", "path", "br"}


class Checker(HTMLParser):
    """Every element is closed, ids are unique, there is one h1, and nothing inline."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check what opens."""
        self.headings += tag == "h1"
        self.ids += [value or "" for name, value in attrs if name == "id"]
        for name, _ in attrs:
            assert name != "style"
            assert not name.startswith("on")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check what closes."""
        if tag not in VOID:
            assert self.open.pop() == tag


def check(answer: httpx.Response, status: int = 200) -> str:
    """Check a whole page and return its text."""
    assert answer.status_code == status
    assert answer.text.startswith("<!doctype html>")
    checker = Checker()
    checker.feed(answer.text)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert checker.headings == 1
    return answer.text


def poll(html: str, part: str) -> str:
    """The address that a part asks next."""
    urls = [unescape(url) for url in re.findall(r'hx-get="([^"]*)"', html)]
    [url] = [url for url in urls if f"part={part}" in url]
    return url


async def ask(client: httpx.AsyncClient, **form: str) -> httpx.Response:
    """Send the form."""
    return await client.post("/builds", data={"commit": "main", "command": "make test", **form})
