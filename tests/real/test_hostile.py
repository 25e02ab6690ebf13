"""Slow and hostile clients are dropped and leave nothing behind; others are served meanwhile."""

from __future__ import annotations

import os
import time
from typing import Final

import httpx
import pytest

from tests.real.attackers import Vitals, open_crowd, serve_others
from tests.real.harness import Server, Site, wait_until
from tests.real.repository import Repository

CLIENT_S: Final = 3  # what a client has in these tests
DROPPED_S: Final = 60.0  # until all of them are gone, on a loaded machine
MB: Final = 1 << 20
LOG_BYTES: Final = 100 * MB


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """Start a server with little patience, which has answered once."""
    server = site.server(repository.path, client_timeout_seconds=CLIENT_S)
    server.start()
    serve_others(server)
    return server


def test_two_hundred_slow_heads(server: Server) -> None:
    """Each sends a header a second, and never comes to an end."""
    vitals = Vitals(server)
    with open_crowd(server.port) as crowd:
        crowd.open(200, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        begin = time.monotonic()
        while crowd.left() and time.monotonic() < begin + DROPPED_S:
            crowd.say(b"X-More: yes\r\n")
            serve_others(server, 2)
        assert crowd.left() == 0
        vitals.wait_files_back(DROPPED_S)
    assert vitals.grown() < 20 * MB


def test_a_thousand_that_say_nothing(server: Server) -> None:
    """They cost little, and go."""
    vitals = Vitals(server)
    with open_crowd(server.port) as crowd:
        crowd.open(1000)
        serve_others(server)
        assert vitals.grown() < 60 * MB
        wait_until(crowd.left, "all are dropped", DROPPED_S, until=lambda count: count == 0)
        serve_others(server)
        vitals.wait_files_back(DROPPED_S)


def test_fifty_slow_bodies(server: Server) -> None:
    """Each hears 408, and has changed nothing."""
    vitals = Vitals(server)
    head = b"POST /api/builds HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n{"
    with open_crowd(server.port) as crowd:
        crowd.open(50, head)
        begin = time.monotonic()
        while crowd.left() and time.monotonic() < begin + DROPPED_S:
            crowd.say(b" ")
            serve_others(server, 2)
        assert crowd.left() == 0
        vitals.wait_files_back(DROPPED_S)
    assert server.get("/api/builds").json()["builds"] == []


def long_log(server: Server) -> int:
    """Make a build whose log is long, although its command has printed only a word."""
    server.site.agent(server).start()
    number = server.submit("echo begin; exec sleep 1000")
    server.wait_log(number, b"begin\n")
    (log,) = server.data.glob("logs/*/*.log")
    os.truncate(log, LOG_BYTES)
    return number


def test_twenty_that_do_not_read_a_long_log(server: Server) -> None:
    """They hold neither memory nor the log; who reads meanwhile gets all of it."""
    number = long_log(server)
    vitals = Vitals(server)
    with open_crowd(server.port) as crowd:
        head = f"GET /api/builds/{number}/log HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        crowd.open(20, head.encode(), deaf=True)
        assert len(server.log_of(number)) == LOG_BYTES
        serve_others(server)
        assert vitals.grown() < 40 * MB
        wait_until(crowd.left, "all are dropped", DROPPED_S, until=lambda count: count == 0)
        vitals.wait_files_back(DROPPED_S)


def test_who_does_not_read_keeps_no_server_alive(site: Site, repository: Repository) -> None:
    """SIGTERM ends it although an answer is under way that will never be read."""
    server = site.server(repository.path)
    server.start()
    number = long_log(server)
    with open_crowd(server.port) as crowd:
        head = f"GET /api/builds/{number}/log HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        crowd.open(5, head.encode(), deaf=True)
        serve_others(server)
        assert server.stop() == 0


@pytest.mark.parametrize("words", ["", "GET / HTTP/1.1\r\nX: ", "deaf"])
def test_a_full_house_is_open_to_agents_and_readers(
    site: Site, repository: Repository, words: str
) -> None:
    """Who waits longest for nothing makes room, whatever he waits for; builds go on."""
    server = site.server(repository.path, max_connections=30)
    server.start()
    head = f"GET /api/builds/{long_log(server)}/log HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    site.agent(server, "second").start()
    server.wait_agents(2)
    vitals = Vitals(server)
    # An idle connection may be dropped in the moment in which it is used again. Browsers and agents
    # then ask again; this client does not.
    site.http.close()
    site.http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
    deaf = words == "deaf"
    with open_crowd(server.port) as crowd:
        crowd.open(100, (head if deaf else words).encode(), deaf=deaf)
        number = server.submit("echo hello")
        while server.build(number)["status"] in ("waiting", "running"):
            serve_others(server, 1)
            crowd.open(20, (head if deaf else words).encode(), deaf=deaf)
            assert vitals.files() < 120
        assert server.build(number)["status"] == "success"
        assert server.log_of(number) == b"hello\n"
        server.wait_agents(2)
    assert "too many connections" in server.words


def test_an_agent_works_on_in_a_full_house(site: Site, repository: Repository) -> None:
    """Its server gets in whoever else stands at its door, and finds it online."""
    server = site.server(repository.path)
    server.start()
    agent = site.agent(server, max_connections=20)
    agent.start()
    server.wait_agents(1)
    vitals = Vitals(agent)
    slow_body = b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"
    with open_crowd(agent.port) as crowd:
        for words in (b"", b"GET / HTTP/1.1\r\nX: ", slow_body):
            crowd.open(100, words)
            number = server.submit("echo hello")
            assert server.wait_build(number)["status"] == "success"
            server.wait_agents(1)
        assert vitals.grown() < 20 * MB
    assert "too many connections" in agent.words
    assert "agent lost" not in server.words
    vitals.wait_files_back(DROPPED_S)


def test_many_large_bodies_are_too_much(site: Site, repository: Repository) -> None:
    """The first ones go, before they have filled the memory; others are taken."""
    server = site.server(repository.path, max_body_bytes=4 * MB)
    server.start()
    serve_others(server)
    vitals = Vitals(server)
    head = (
        f"POST /notify_build_result HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {4 * MB}\r\n\r\n"
    )
    with open_crowd(server.port) as crowd:
        for _ in range(100):
            crowd.open(1, head.encode())
            crowd.members[-1].setblocking(True)
            crowd.members[-1].sendall(b"x" * (4 * MB - 1))
            crowd.members[-1].setblocking(False)
        serve_others(server)
        assert vitals.grown() < 100 * MB
    assert "too many bytes in requests" in server.words
    vitals.wait_files_back(DROPPED_S)
