"""Of an answer no more is read than it may have, and nothing is unpacked."""

from __future__ import annotations

import httpx
import pytest

from ci.errors import ProviderFailed
from ci.plainanswer import OddAnswer, read_plain
from ci.server.client import AgentClient
from ci.server.external.client import StorageClient, StorageFailed
from ci.server.people.provider import Provider
from ci.wire.status import AgentStatus
from tests.fakes.body import Body, packed, packing_client


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "identity"}])
async def test_a_body_is_read_whole(headers: dict[str, str]) -> None:
    """Up to the last byte that it may have."""
    assert await read_plain(httpx.Response(200, headers=headers, content=b"abc"), 3) == b"abc"


async def test_a_body_without_end_is_left() -> None:
    """As soon as it is too long."""
    with pytest.raises(OddAnswer, match="more than 10 bytes"):
        await read_plain(httpx.Response(200, content=b"abc" * 4), 10)


async def test_what_is_packed_is_not_unpacked() -> None:
    """It is not even taken."""
    body = Body()
    with pytest.raises(OddAnswer, match="gzip, gzip"):
        await read_plain(packed(body), 10)
    assert not body.taken


async def test_a_storage_that_packs_is_told_so() -> None:
    """Its answer is needed."""
    body = Body()
    with pytest.raises(StorageFailed, match="conf: it answers packed by 'gzip, gzip'"):
        await StorageClient(packing_client(body), "https://x/", None).conf()
    assert not body.taken


async def test_a_provider_that_packs_is_told_so() -> None:
    """As well."""
    body = Body()
    with pytest.raises(ProviderFailed, match="packed"):
        await Provider("https://id.example.org", lambda: packing_client(body)).about()
    assert not body.taken


async def test_an_agent_that_packs_is_alive() -> None:
    """Any answer says so; what is in it, only one that we can read."""
    body = Body()
    assert await AgentClient(packing_client(body), "oak", 1, None).status() == AgentStatus()
    assert not body.taken
