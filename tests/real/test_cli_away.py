"""The command `ci` and a server that is away: waited for, if it was there before."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.real.cli import Cli, words_of
from tests.real.harness import Server, Site, held
from tests.real.repository import Repository


class Proxy(ThreadingHTTPServer):
    """Hands on what is asked, and says 503 while `is_cut`."""

    def __init__(self, url: str) -> None:
        self.is_cut = False
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if proxy.is_cut:
                    self.answer(503, {"Content-Type": "text/html", "Retry-After": "1"}, b"<html>")
                else:
                    got = httpx.get(url + self.path, headers=dict(self.headers))
                    self.answer(got.status_code, dict(got.headers), got.content)

            def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def open_proxy(server: Server) -> Iterator[Proxy]:
    """Open a proxy in front of a server."""
    with Proxy(server.url) as proxy:
        thread = Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


@pytest.fixture
def ci(site: Site, repository: Repository) -> Cli:
    """The command in the work tree of the server's repository."""
    return Cli(site, repository.path)


def test_a_proxy_that_says_503_is_waited_out(
    site: Site, repository: Repository, ci: Cli, tmp_path: Path
) -> None:
    """Told once, each byte of the log once, and the verdict."""
    server = site.server(repository.path)
    server.start()
    site.agent(server).start()
    server.wait_agents(1)
    number = server.submit(f"echo one; {held(tmp_path / 'go')}; echo two; exit 3")
    with (
        open_proxy(server) as proxy,
        subprocess.Popen(
            words_of(["log", "-f", "--exit-code", str(number), "--server", proxy.url]),
            cwd=ci.folder,
            env=ci.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"one\n"
        proxy.is_cut = True
        said = process.stderr.readline()
        assert b"can't be reached" in said
        assert b"it answered 503); it is asked again and again" in said
        proxy.is_cut = False
        assert process.stderr.readline() == b"the server answers again\n"
        (tmp_path / "go").touch()
        assert process.stdout.read() == b"two\n"
        assert process.stderr.read() == b""
        assert process.wait() == 3


def test_what_was_never_there_is_not_waited_for(ci: Cli) -> None:
    """A wrong address is one at once, and it is said what to do."""
    done = ci("log", "-f", "1", "--server", "http://127.0.0.1:1")
    assert (done.code, done.out) == (122, "")
    assert done.err.startswith("ci: can't reach the server at http://127.0.0.1:1: ")
    assert "is the address right? --server, CI_SERVER, ci login" in done.err
    assert ci("log", "-f", "1").code == 122


def test_of_a_build_that_was_never_seen_nothing_is_said(ci: Cli) -> None:
    """Who interrupts while the first answer is waited for has no build that could go on."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        server = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        terminal = ci.open("log", "-f", "1", "--server", server)
        with deaf.accept()[0] as connection:
            assert connection.recv(1)  # it has asked, so nothing is imported any more
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.wait_end() == 130
    assert "goes on" not in terminal.shown
