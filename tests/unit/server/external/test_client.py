"""What a call to the storage can end in, and what is known then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.config import ServerConfig
from ci.errors import ConfigError
from ci.server.external.client import (
    StorageClient,
    StorageFailed,
    dial_storage,
    retry_after,
)
from tests.fakes.network import broken_client
from tests.story.world import START

Answer = Callable[[httpx.Request], httpx.Response]


def _client(answer: Answer) -> StorageClient:
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return StorageClient(http, "https://storage.example.org/api/", "t0ken")


async def _failure(answer: Answer) -> StorageFailed:
    with pytest.raises(StorageFailed) as caught:
        await _client(answer).start("an-id", START)
    return caught.value


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def _break(request: httpx.Request) -> httpx.Response:
    raise httpx.RemoteProtocolError("cut", request=request)


async def test_a_start_is_sent_as_the_storage_reads_it() -> None:
    """Address, token, and a time with its zone."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    await _client(answer).start("an-id", START)
    assert str(seen[0].url) == "https://storage.example.org/api/build/start"
    assert seen[0].headers["Authorization"] == "Bearer t0ken"
    assert seen[0].content == b'{"buildId": "an-id", "dateTime": "2030-01-01T00:00:00.000Z"}'


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (_refuse, "not sent, for all"),
        (_break, "sent"),
        (lambda _: httpx.Response(500), "sent"),
        (lambda _: httpx.Response(400, json={"title": "no"}), "sent"),
        (lambda _: httpx.Response(401), "sent, refused"),
        (lambda _: httpx.Response(503), "sent"),
        (lambda _: httpx.Response(503, headers={"Retry-After": "3"}), "sent, for all"),
        (lambda _: httpx.Response(500, headers={"Retry-After": "3"}), "sent"),
        (lambda _: httpx.Response(302, headers={"Location": "/login"}), "sent, refused"),
        (lambda _: httpx.Response(200, html="<html>"), "sent, refused"),
        (lambda _: httpx.Response(200, text="OK"), "sent"),
    ],
)
async def test_what_is_known_after_a_failure(answer: Answer, what: str) -> None:
    """Whether the change may have been made, and what it says of other calls."""
    error = await _failure(answer)
    known = ["sent" if error.sent else "not sent"]
    known += [word for word in ("refused",) if error.refused]
    known += [word for word in ("for all",) if error.for_all]
    assert ", ".join(known) == what
    assert str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("90", 90.0),
        ("999999999999", 3600.0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 -0000", 0.0),
        ("", None),
        ("x", None),
        ("-5", None),
        ("1e9", None),
        ("<html>", None),
        ("\u0663", None),
        ("Mon, 01 Jan 2001 00:00:00 +99999999999999999999", None),
    ],
)
async def test_the_wait_that_is_asked_for(header: str, seconds: float | None) -> None:
    """In seconds, or as a time of day; an hour at most."""
    error = await _failure(lambda _: httpx.Response(500, headers={"Retry-After": header}))
    assert error.retry_after_s == seconds


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40))
def test_any_wait_that_is_asked_for_is_read(header: str) -> None:
    """It is some seconds, an hour at most, or none."""
    seconds = retry_after(header)
    assert seconds is None or 0 <= seconds <= 3600


async def test_a_name_that_no_thread_can_look_up() -> None:
    """The system has none left; that passes. Any other such error is a bug."""
    client = StorageClient(broken_client("can't start new thread"), "https://x/", None)
    with pytest.raises(StorageFailed, match="can't look it up"):
        await client.conf()
    with pytest.raises(RuntimeError, match="strange"):
        await StorageClient(broken_client("strange"), "https://x/", None).conf()


def test_a_certificate_that_is_none_is_said_at_once(tmp_path: Path) -> None:
    """By the key of the setting."""
    file = tmp_path / "storage.pem"
    file.write_text("nothing", "utf-8")
    with pytest.raises(ConfigError, match="apiCaFile"):
        dial_storage(ServerConfig.check({"apiCaFile": str(file)}))
