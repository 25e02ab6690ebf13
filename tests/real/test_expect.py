"""A client that asks before it sends its body (`Expect: 100-continue`, as curl does)."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Final

import pytest

from tests.real.harness import START_S, Program, Server, Site
from tests.real.repository import Repository

BODY: Final = b'{"commit": "main", "command": "true"}'
MB: Final = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of it, with a token for agents."""
    site = Site(tmp_path_factory.mktemp("site"))
    repository = Repository(site.folder / "repository")
    repository.commit({"a": "b"})
    server = site.server(repository.path, agent_token="secret")
    server.start()
    yield server
    site.close()


def ask(program: Program, path: str, length: int, more: str = "") -> socket.socket:
    """Send the head of a request."""
    client = socket.create_connection(("127.0.0.1", program.port), timeout=START_S)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{more}"
    client.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
    return client


def statuses(client: socket.socket) -> list[int]:
    """Read until the server closes the connection; name what was answered."""
    answer = b""
    with client:
        while piece := client.recv(65536):
            answer += piece
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


def test_who_is_taken_hears_so_and_sends(server: Server) -> None:
    """First 100, then the answer."""
    client = ask(server, "/api/builds", len(BODY), "Connection: close\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
    client.sendall(BODY)
    assert statuses(client) == [201]


def test_who_does_not_wait_is_served_as_well(server: Server) -> None:
    """Some ask and send at once."""
    client = ask(server, "/api/builds", len(BODY), "Connection: close\r\n")
    client.sendall(BODY)
    assert statuses(client)[-1] == 201


@pytest.mark.parametrize(
    ("path", "length", "more", "status"),
    [
        ("/api/builds", MB + 1, "", 413),
        ("/builds", 2 * MB, "Content-Type: application/x-www-form-urlencoded\r\n", 413),
        ("/notify_build_result", 1 << 40, "Authorization: Bearer secret\r\n", 413),
        ("/notify_build_log?id=1.1.1&offset=0", 10, "", 401),
        ("/api/nothing", 10, "", 404),
        ("/api/builds", 10, "Sec-Fetch-Site: cross-site\r\n", 403),
        ("/healthz", 10, "", 405),
        ("/api/builds", 10, "Host: evil.example\r\n", 400),
    ],
)
def test_who_is_refused_need_not_send(
    server: Server, path: str, length: int, more: str, status: int
) -> None:
    """One answer, without 100 before it, and the connection ends: its body may come or not."""
    assert statuses(ask(server, path, length, more)) == [status]


def test_an_agent_does_so_too(server: Server) -> None:
    """It serves by the same code."""
    # With nobody to enrol it, the token is what it takes.
    agent = server.site.agent(server, agent_token="secret", server_port=1)
    agent.start()
    token = "Authorization: Bearer secret\r\n"
    assert statuses(ask(agent, "/build", 10)) == [401]
    assert statuses(ask(agent, "/build", MB + 1, token)) == [413]
    client = ask(agent, "/cancel", 13, token + "Connection: close\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
    client.sendall(b'{"id": "9.9"}')
    assert statuses(client) == [202]
