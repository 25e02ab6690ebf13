"""`curl -N /build/N.txt`: bytes as they come, to the verdict, or until either side leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.real.attackers import open_crowd, serve_others
from tests.real.harness import START_S, Server, Site, held
from tests.real.repository import Repository


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """A server with one agent that is online."""
    server = site.server(repository.path)
    server.start()
    site.agent(server, slots=2).start()
    server.wait_agents(1)
    return server


def read_to(pieces: Iterator[str], text: str) -> str:
    """Read on until that text has come."""
    read = ""
    while text not in read:
        read += next(pieces)
    return read


def test_a_build_is_followed_to_its_verdict(server: Server, tmp_path: Path) -> None:
    """What was printed is there before the next line is."""
    go = tmp_path / "go"
    number = server.submit(f"echo begun; {held(go)}; echo done; exit 3")
    with server.site.http.stream("GET", f"{server.url}/build/{number}.txt?color=0") as answer:
        pieces = answer.iter_text()
        read_to(pieces, "begun\n")
        go.touch()
        rest = "".join(pieces)
    assert "done\n\nFailure · The command failed with exit code 3." in rest


def test_who_leaves_holds_nothing_up_and_a_stop_ends_the_text(server: Server) -> None:
    """The answer ends as it should, with words; not cut off."""
    number = server.submit("echo begun; sleep 600")
    path = f"{server.url}/build/{number}.txt"
    with httpx.Client(trust_env=False) as leaver, leaver.stream("GET", path) as answer:
        read_to(answer.iter_text(), "begun\n")
    with server.site.http.stream("GET", path) as answer:
        pieces = answer.iter_text()
        read_to(pieces, "begun\n")
        assert server.stop() == 0
        assert "The server stops; ask again when it is back." in "".join(pieces)
    assert "Traceback" not in server.words


def test_followers_of_a_silent_build_shut_nobody_out(
    site: Site, repository: Repository, tmp_path: Path
) -> None:
    """Not even the agent that brings what they wait for; who still follows then hears of it."""
    server = site.server(repository.path, max_connections=20)
    server.start()
    site.agent(server).start()
    server.wait_agents(1)
    # An idle connection may be dropped in the moment in which it is used again; see test_hostile.
    site.http.close()
    site.http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
    go = tmp_path / "go"
    number = server.submit(f"echo begun; {held(go)}; echo done")
    server.wait_log(number, b"begun\n")
    words = f"GET /build/{number}.txt?color=0 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with open_crowd(server.port) as crowd:
        for _ in range(30):
            crowd.open(1, words)
            crowd.members[-1].settimeout(START_S)
            last = crowd.members[-1].makefile("rb")
            assert b"begun\n" in iter(last.readline, b"")
        serve_others(server)
        go.touch()
        assert server.wait_build(number)["status"] == "success"
        assert server.log_of(number) == b"begun\ndone\n"
        assert b"done\n\nSuccess" in last.read()
    assert "too many connections" in server.words
