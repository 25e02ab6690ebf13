"""A page that is open: where it asks for news, and what it does with the answers."""

from __future__ import annotations

import re
from html import unescape

import httpx

_POLL = re.compile(r'hx-get="([^"]+)"')


class Reader:
    """The addresses that an open page asks."""

    def __init__(self, html: str) -> None:
        self.urls = [unescape(url) for url in _POLL.findall(html)]

    def url(self, part: str) -> str:
        """Where it asks for that part."""
        [url] = [url for url in self.urls if f"part={part}" in url]
        return url

    def take(self, url: str, answer: httpx.Response) -> None:
        """Do what the answer to `url` says: the part that asked is replaced, or the whole log."""
        if answer.status_code == httpx.codes.OK:
            self.urls.remove(url)
            self.urls += Reader(answer.text).urls
