"""The gate: whatever the Host header holds, the answer is clear, and no other site gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from quart import request
from quart_trio import QuartTrio

from ci.gate import Gate

NAMES = frozenset({"CI.example.org"})


def make_app(hosts: frozenset[str] | None) -> QuartTrio:
    """An app that looks at its name, as links do."""
    app = QuartTrio(__name__)

    @app.post("/")
    async def look() -> str:
        assert request.host
        return "hello"

    app.asgi_app = Gate(app.asgi_app, hosts)  # type: ignore[method-assign] # Quart's own way
    return app


async def ask(
    hosts: frozenset[str] | None,
    *given: str,
    version: str = "1.1",
    body: Any = None,
    path: str = "/",
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Send a request with these Host headers; return status, headers and body of the answer."""
    sent: list[Any] = []
    pieces = [{"type": "http.request", "body": b"x", "more_body": False}] if body is None else body

    async def receive() -> Any:
        if not pieces:
            await trio.sleep_forever()
        return pieces.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", value.encode("latin-1")) for value in given]
    scope: Any = {
        "type": "http", "http_version": version, "method": "POST", "scheme": "http", "path": path,
        "raw_path": b"/", "query_string": b"", "root_path": "", "headers": headers, "client": None,
        "server": None, "extensions": {}, "state": {},
    }  # fmt: skip
    await make_app(hosts)(scope, receive, send)
    content = b"".join(m["body"] for m in sent if m["type"] == "http.response.body")
    return sent[0]["status"], dict(sent[0]["headers"]), content


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]", "192.168.1.7:80", "[fe80::1]",
        "localhost", "localhost:8080", "LocalHost.", "demo.localhost:1", "ci.example.org",
        "ci.EXAMPLE.org.:8080", "10.0.0.7:65535",
    ],
)  # fmt: skip
async def test_own_names_and_addresses_are_let_in(host: str) -> None:
    """No other site can have them."""
    for hosts in (NAMES, None):
        status, _, content = await ask(hosts, host)
        assert (status, content) == (200, b"hello")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8080", "localhost.evil.example", "example.org", "xn--a",
        "x.ci.example.org", "127.0.0.1.evil.example", "1.2.3.400", "2130706433", "evillocalhost",
    ],
)  # fmt: skip
async def test_a_name_of_another_site_is_refused(host: str) -> None:
    """421 that says which key takes the name; without a list of names any name is fine."""
    status, headers, content = await ask(NAMES, host)
    assert (status, headers[b"content-type"]) == (421, b"application/json")
    error = json.loads(content)["error"]
    assert error["field"] == "Host"
    assert repr(host) in error["message"]
    assert "add it to hostNames in server-conf.json" in error["message"]
    assert (await ask(None, host))[0] == 200
    assert (await ask(frozenset(), host))[0] == 421


@pytest.mark.parametrize(
    "hosts",
    [
        (), ("",), ("127.0.0.1", "127.0.0.1"), ("x" * 64,), ("x" * 64 + ".example:80",), ("a..b",),
        (".a",), (".",), ("a b",), ("a/b",), ("u@h",), ("é.example",), ("a:b",), ("a:1:2",),
        (":80",), ("::1",), ("[::1",), ("[1]",), ("[::1%25lo]",), ("-a",), ("a\x00",),
        ("a\n",), ("a." * 127,), ("a:123456",), ("a:",), ("a:65536",), ("<b>",),
    ],
)  # fmt: skip
@pytest.mark.parametrize("names", [NAMES, None])
async def test_a_header_that_names_no_host_is_refused(
    hosts: tuple[str, ...], names: frozenset[str] | None
) -> None:
    """400 in JSON, and Quart never sees it."""
    status, headers, content = await ask(names, *hosts)
    assert (status, headers[b"connection"]) == (400, b"close")
    assert json.loads(content)["error"]["field"] == "Host"
    assert len(content) < 500


@pytest.mark.parametrize("target", ["", "http://[::1/", "http://[a]/", "x://]/"])
async def test_a_target_without_a_path_is_refused(target: str) -> None:
    """400 in JSON, where Quart would fail."""
    status, headers, content = await ask(None, "localhost", path=target)
    assert (status, headers[b"connection"]) == (400, b"close")
    assert json.loads(content)["error"]["field"] == "target"
