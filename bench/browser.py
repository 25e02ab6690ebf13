"""Browsers that keep a page open: they load it, then ask for its parts as htmx does."""

from __future__ import annotations

import re
import time
from html import unescape

import trio

from bench.measure import Counts, Times
from bench.tiny_http import Client, open_client

PAGE = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Site": "same-origin"}
PART = {"Accept": "text/html", "HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
_POLL = re.compile(r'hx-get="([^"]+)" hx-trigger="every ([0-9.]+)s"')


async def browse(port: int, path: str, times: Times, counts: Counts) -> None:
    """Open the page at `path` and keep it up to date until canceled."""
    with times.measure("open page"), open_client(port, PAGE) as client:
        page = await client.ask("GET", path)
    assert page.status == 200, page.first
    counts["open page"] += 1
    async with trio.open_nursery() as nursery:
        for url, seconds in _POLL.findall(page.body.decode()):
            nursery.start_soon(_poll, port, unescape(url), float(seconds), times, counts)


async def _poll(port: int, url: str, period_s: float, times: Times, counts: Counts) -> None:
    with open_client(port, PART) as client:
        await _poll_by(client, url, period_s, times, counts)


async def _poll_by(client: Client, url: str, period_s: float, times: Times, counts: Counts) -> None:
    part = f"poll {url.partition('part=')[2].partition('&')[0] or url}"
    next_at = time.monotonic()
    while True:
        # As `hx-sync="this:drop"` does: what falls due while an answer is awaited is left out.
        next_at += period_s * (1 + max(0, time.monotonic() - next_at) // period_s)
        await trio.sleep(max(0, next_at - time.monotonic()))
        with times.measure(part):
            answer = await client.ask("GET", url)
        counts[f"{part} {answer.status}"] += 1
        if answer.status == 200:
            found = _POLL.search(answer.body.decode())
            if found is None:
                return  # the build has ended, there is nothing more to ask
            url, period_s = unescape(found[1]), float(found[2])
