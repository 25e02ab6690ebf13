"""Malformed requests over real sockets: a clear 4xx each, nothing changed, nobody falls over."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from tests.real.harness import START_S, Server, Site
from tests.real.repository import Repository

VALUES: list[Any] = [
    None, True, 5, -1, 1.5, [], {}, [1], "", " ", "\x00", "a b", "a\nb", "--upload-pack=x", "-x",
    "../..", "a..b", "HEAD~1", "x:y", "x^{}", "@{u}", "x" * 10_000, "é\u202e\x1b[31m", "refs//x",
    ".", "/", "x.lock", "a;b c",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One server for all of it, with one build that waits."""
    site = Site(tmp_path_factory.mktemp("site"))
    repository = Repository(site.folder / "repository")
    repository.commit({"a": "b"})
    server = site.server(repository.path, max_body_bytes=2 << 20)
    server.start()
    server.submit("true")
    yield server
    site.close()


def state(server: Server) -> dict[str, Any]:
    """Everything that could have been changed."""
    return {
        "builds": server.get("/api/builds", limit=500).json(),
        "agents": server.get("/api/agents").json(),
    }


def refuse(server: Server, method: str, path: str, content: bytes | None = None) -> dict[str, Any]:
    """Send a request and check that it is refused in the way of the API; return the error."""
    answer = server.site.http.request(method, server.url + path, content=content)
    assert 400 <= answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"field", "message"}
    assert error["message"]
    return error


def test_two_hundred_malformed_requests(server: Server) -> None:
    """Wrong types, missing fields, hostile commits, unknown things, bodies of every wrong kind."""
    before = state(server)
    good = {"commit": "main", "command": "true"}
    sent = 0
    for value in VALUES:
        error = refuse(server, "POST", "/api/builds", json.dumps(good | {"commit": value}).encode())
        assert error["field"] == "commit", value
        sent += 1
    wrong: dict[str, list[Any]] = {
        "command": [None, True, 5, 1.5, [], {}, "", " \n", "a\x00b"],
        "priority": [None, True, 1.5, [], {}, "5", 1001, -1001],
        "repository": [True, 5, [], {}, "", "elsewhere", "/etc", "ext::sh -c id", "-x"],
    }
    for field, value in [(name, each) for name, values in wrong.items() for each in values]:
        error = refuse(server, "POST", "/api/builds", json.dumps(good | {field: value}).encode())
        assert error["field"] == field, (field, value)
        sent += 1
    for body in (
        b"", b"null", b"[]", b"{", b"\xff", b'"x"', b"5", b"{}", b'{"commit":"main"}',
        b'{"commit":"main","command":"\\ud800"}', b'{"commit":"main","command":"x","extra":1}',
        b"[" * 50_000, b'{"a":' * 50_000, b"commit=main&command=true",
        b'{"commit":"main","command":"x","priority":1e400}',
        b'{"commit":"main","command":"x","priority":99999999999999999999}',
        json.dumps(good | {"command": "x" * 200_000}).encode(),
        json.dumps(good | {"command": "x" * 1_500_000}).encode(),
        b"x" * (3 << 20),
    ):  # fmt: skip
        refuse(server, "POST", "/api/builds", body)
        sent += 1
    for path in (
        "/api/builds/0", "/api/builds/99", "/api/builds/-1", "/api/builds/x", "/api/builds/1.5",
        "/api/builds/99999999999999999999", "/api/builds/9223372036854775808", "/api/builds/%00",
        "/api/builds/1/nothing", "/api/builds/99/log", "/api/builds/1/log?attempt=2.1.1",
        "/api/builds/1/log?attempt=../../etc/passwd", "/api/builds/1/log?attempt=%00",
        "/api/builds?limit=0", "/api/builds?limit=x", "/api/builds?limit=-1",
        "/api/builds?limit=100000", "/api/builds?before=0", "/api/builds?before=-5",
        "/api/builds?before=x", "/api/builds?before=99999999999999999999999",
        "/api/builds?status=green", "/api/builds?status=%00", "/api/builds?q=%00",
        "/api/builds?repository=%00", "/api/builds?q=" + "x" * 5000, "/api/nothing", "/api/",
    ):  # fmt: skip
        refuse(server, "GET", path)
        sent += 1
    for path in (
        "/api/builds/99/cancel", "/api/builds/99/front", "/api/builds/99/rerun",
        "/api/builds/0/cancel", "/api/builds/x/rerun", "/api/builds/1", "/api/agents", "/healthz",
        "/api/builds/1/log",
    ):  # fmt: skip
        refuse(server, "POST", path)
        sent += 1
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "FOO"):
        for path in ("/api/builds", "/api/builds/1", "/notify_agent", "/notify_build_result"):
            refuse(server, method, path)
            sent += 1
    for value in VALUES:
        body = json.dumps({"host": "h", "port": value}).encode()
        if value != 5:
            assert refuse(server, "POST", "/notify_agent", body)["field"] == "port"
            sent += 1
        body = json.dumps({"id": value, "status": "success"}).encode()
        refuse(server, "POST", "/notify_build_result", body)
        offset = json.dumps(value) if value != 5 else "x"
        path = f"/notify_build_log?id=1.1.1&offset={offset}"
        refuse(server, "POST", path.replace("\\", "").replace(" ", "%20")[:4000], b"x")
        sent += 2
    assert sent >= 200
    assert state(server) == before
    assert "Traceback" not in server.words
    assert server.running


def test_requests_that_are_no_http(server: Server) -> None:
    """Garbage, half a request, two lengths, an endless header: the next client notices nothing."""
    before = state(server)
    post = b"POST /api/builds HTTP/1.1\r\nHost: x\r\n"
    for raw in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        post + b"Content-Length: -5\r\n\r\n",
        post + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\nhello",
        post + b"Content-Length: 100\r\n\r\n{",
        post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000,
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /static/%2e%2e/pyproject.toml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /static/../pyproject.toml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET //static//x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=START_S) as client:
            try:
                client.sendall(raw)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(65536)
            except OSError:
                answer = b""
        assert b" 500 " not in answer[:20]
        assert b"setuptools" not in answer
    assert state(server) == before
    assert "Traceback" not in server.words


def test_pages_refuse_as_well(site: Site, repository: Repository) -> None:
    """A form with a wrong field is shown again with the message; another site's is refused."""
    server = site.server(repository.path)
    server.start()
    http = site.http
    answer = http.post(f"{server.url}/builds", data={"commit": "a b", "command": "<b>x</b>"})
    assert answer.status_code == 422
    assert "hash, branch or tag" in answer.text
    assert "<b>x</b>" not in answer.text
    for path in ("/builds", "/api/builds", "/build/1/cancel"):
        answer = http.post(
            server.url + path,
            content=b'{"commit":"main","command":"true"}',
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        assert answer.status_code == 403
        answer = http.post(
            server.url + path,
            data={"commit": "main", "command": "true"},
            headers={"Origin": "http://evil.example"},
        )
        assert answer.status_code == 403
    assert http.get(f"{server.url}/build/77", headers={"Accept": "text/html"}).status_code == 404
    assert server.get("/api/builds").json()["builds"] == []


def send_raw(server: Server, raw: bytes, until: bytes | None = None) -> bytes:
    """Send bytes and read what comes: until `until`, or until the server closes the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=START_S) as client:
        client.sendall(raw)
        while (until is None or until not in answer) and (piece := client.recv(65536)):
            answer += piece
    return answer


def test_an_agents_host_that_is_none_is_refused(server: Server) -> None:
    """A server that took it would call it, and fail in a place where nobody expects that."""
    before = state(server)
    for host in ("a..b", "a" * 64, "1:2:3", "::::", "-x", "x-", "[::1", "http://[x]/", "a b", "."):
        body = json.dumps({"host": host, "port": 9}).encode()
        for path in ("/notify_agent", "/notify-agent", "/api/notify_agent"):
            assert refuse(server, "POST", path, body)["field"] == "host", host
    assert state(server) == before
    assert server.running


def test_an_agent_that_can_never_be_called_harms_nobody(site: Site, repository: Repository) -> None:
    """A name that is well-formed, but that no resolver and no codec can make sense of."""
    server = site.server(repository.path)
    server.start()
    for host in ("xn--a", "no-such-host.invalid", "1.2.3.400", "_", "9" * 63, "::ffff:1.2.3.4"):
        answer = server.post("/notify_agent", {"host": host, "port": 9})
        assert answer.status_code in (200, 422), host
    time.sleep(2)  # for the first calls of these agents to fail
    assert server.running
    assert server.get("/api/agents").status_code == 200
    assert "Traceback" not in server.words


def test_odd_host_headers(server: Server) -> None:
    """On every kind of address, with and without a body: 4xx in JSON, and the words say why."""
    before = state(server)
    hosts = {
        "x" * 64: 400, "a..b": 400, "a b": 400, "": 400, ".": 400, "[::1": 400, "a:b": 400,
        "1:2:3": 400, "\xe9.example": 400, "u@127.0.0.1": 400, "a/b": 400, "evil.example": 421,
        "xn--a": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:80": 421,
    }  # fmt: skip
    for host, status in hosts.items():
        for line in ("GET / ", "GET /nope ", "GET /static/style.css ", "GET /healthz ",
                     "POST /api/builds ", "POST /notify_agent ", "DELETE /api/ "):  # fmt: skip
            body = '{"commit":"main","command":"true","host":"h","port":9}' * line.startswith(
                "POST"
            )
            answer = send_raw(
                server,
                f"{line}HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: text/html\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode("latin-1"),
            )
            head, _, content = answer.partition(b"\r\n\r\n")
            assert head.startswith(f"HTTP/1.1 {status} ".encode()), (line, host, answer)
            if content:  # a byte that no header may have is refused by Hypercorn, without words
                error = json.loads(content)["error"]
                assert error["field"] == "Host"
                assert status == 400 or "hostNames" in error["message"]
    answer = send_raw(server, b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    for host in ("127.0.0.1", f"localhost:{server.port}", "demo.localhost", "[::1]:80",
                 "10.0.0.7:65535"):  # fmt: skip
        raw = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        assert b"agents_online" in send_raw(server, raw.encode()), host
    assert state(server) == before
    assert "Traceback" not in server.words


def test_a_large_body_for_a_wrong_host_gets_its_answer(server: Server) -> None:
    """The client has not finished writing when it is refused; it must still hear why."""
    answer = server.site.http.post(
        f"{server.url}/api/builds", content=b"x" * 900_000, headers={"Host": "evil.example"}
    )
    assert answer.status_code == 421


def test_the_offer_of_a_websocket_is_ignored(server: Server) -> None:
    """A handshake on any address, good or broken, is answered as if it were none."""
    before = state(server)
    good = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    broken = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    for path in ("/", "/nope", "/api/builds", "/build/1", "/notify_agent", "/static/style.css"):
        for host in ("127.0.0.1", "evil.example", "x" * 64):
            statuses = set()
            for headers in ("", good, broken):
                raw = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
                answer = send_raw(server, raw.encode(), until=b"\r\n\r\n")
                statuses.add(answer.split(b"\r\n")[0])
            assert len(statuses) == 1, (path, host, statuses)
    assert state(server) == before
    assert "Traceback" not in server.words


def test_a_web_page_cannot_play_an_agent(server: Server) -> None:
    """What only browsers send shuts the routes of agents, whatever it says."""
    before = state(server)
    body = json.dumps({"host": "h", "port": 9, "id": "1.1.1", "status": "success"}).encode()
    for path in ("/notify_agent", "/notify-agent", "/notify_build_result", "/notify-build-result",
                 "/notify_build_log?id=1.1.1&offset=0", "/api/notify_agent"):  # fmt: skip
        for name, value in (
            ("Origin", "http://evil.example"), ("Origin", "null"), ("Origin", server.url),
            ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Site", "none"),
        ):  # fmt: skip
            answer = server.site.http.post(server.url + path, content=body, headers={name: value})
            assert answer.status_code == 403, (path, name, value)
            assert answer.json()["error"]["message"]
    assert state(server) == before
