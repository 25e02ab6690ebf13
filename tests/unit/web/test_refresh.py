"""Without JavaScript: a page loads itself again when its reader asks for that, and not before."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from ci.model import Status
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask, check

REFRESH = 'http-equiv="refresh"'


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/", "/?refresh=1"),
        ("/?command=a%26b&status=running", "/?command=a%26b&status=running&refresh=1"),
        ("/build/1", "/build/1?refresh=1"),
        ("/build/1?_external=1&endpoint=x", "/build/1?_external=1&endpoint=x&refresh=1"),
        ("/agents", "/agents?refresh=1"),
        ("/agents/o%20k?x=1", "/agents/o%20k?x=1&refresh=1"),
    ],
)
async def test_it_is_asked_for_by_a_link(
    client: httpx.AsyncClient, core: FakeCore, path: str, asked: str
) -> None:
    """Which keeps all else that the address says; another one takes it back."""
    core.add_agent("o k")
    await ask(client)
    core.print(core.start(1, "o k"), b"begun\n")
    still = check(await client.get(path))
    assert REFRESH not in still, "what one types there would be lost"
    assert f'href="{asked.replace("&", "&amp;")}">each 5 s<' in still
    loading = check(await client.get(asked))
    [url] = re.findall(rf'<noscript><meta {REFRESH} content="5; url=([^"]+)">', loading)
    assert unescape(url) == asked
    [stop] = re.findall(r'href="([^"]+)"[^>]*>Stop<', loading)
    assert unescape(stop) == path


async def test_it_rests_when_there_is_nothing_to_wait_for(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """A build has ended; or one reads what was found in its log, or an earlier part of it."""
    await ask(client)
    assert REFRESH in check(await client.get("/build/1?refresh=1"))
    core.print(core.start(1), b"line\n" * 5000)
    assert REFRESH in check(await client.get("/build/1?refresh=1"))
    for look in ("q=line", "from=0"):
        html = check(await client.get(f"/build/1?{look}&refresh=1"))
        assert REFRESH not in html
        assert "each 5 s" not in html
    core.end(1, Status.SUCCESS, exit_code=0)
    html = check(await client.get("/build/1?refresh=1"))
    assert REFRESH not in html
    assert "each 5 s" not in html


async def test_a_form_that_was_refused_is_not_loaded_again(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Its address takes no question, and what was filled in would be lost."""
    assert "each 5 s" not in check(await ask(client, commit=""), 422)
    await ask(client)
    core.full = True
    assert "each 5 s" not in check(await client.post("/build/1/rerun"), 503)
