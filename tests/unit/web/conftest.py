"""What the tests of the web share: an app over a core in memory, and a client without sockets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ci.web.app import create_app
from tests.fakes.asgi import AppTransport
from tests.fakes.core import FakeCore

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HTMX = {"Accept": "text/html", "HX-Request": "true"}


@pytest.fixture
def core() -> FakeCore:
    """A core with one repository and no builds."""
    return FakeCore()


def open_client(core: FakeCore) -> httpx.AsyncClient:
    """A client of an app over `core`; it follows no redirects and hides no errors."""
    app: Any = create_app(core, 4 << 20)  # Hypercorn's words for ASGI are stricter than httpx's
    return httpx.AsyncClient(transport=AppTransport(app), base_url="http://ci.test")


@pytest.fixture
async def client(core: FakeCore) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app over the core of this test."""
    async with open_client(core) as client:
        yield client


async def form_token(client: httpx.AsyncClient, path: str = "/") -> dict[str, str]:
    """Take from a page what its forms carry, to be sent with another form."""
    html = (await client.get(path, headers=BROWSER)).text
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', html)
    assert found is not None
    return {"form_token": found[1]}
