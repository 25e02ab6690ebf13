"""A program that listens at the port of a server that is away, as a build there could."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from tests.real.harness import Server, Site, held, wait_until
from tests.real.repository import Repository

TOKEN: Final = "the-token-of-all"
RESULT: Final = "/notify_build_result"
TO_SERVER: Final = {"/notify_agent", "/notify_build_log", RESULT}


class Listener(ThreadingHTTPServer):
    """Writes down whatever is said to it, and says that all is well."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Ear)
        self.heard: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def paths(self) -> set[str]:
        """What was called."""
        return {path.partition("?")[0] for path, _, _ in self.heard}


class _Ear(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        """Take anything."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers.items()), body))
        answer = b'{"ok": true, "size": 1000}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of it."""


@contextmanager
def open_listener(port: int) -> Iterator[Listener]:
    """Listen until the end of the context."""
    with Listener(port) as listener:
        ear = Thread(target=listener.serve_forever)
        ear.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            ear.join()


def say_again(server: Server, path: str, headers: dict[str, str], body: bytes) -> int:
    """Send to the server what was heard, or what was made of it."""
    kept = {name: text for name, text in headers.items() if name not in ("Host", "Content-Length")}
    return server.site.http.post(f"{server.url}{path}", content=body, headers=kept).status_code


def test_who_listens_in_the_servers_place_gets_nothing(site: Site, repository: Repository) -> None:
    """No secret, no result that he may forge, and none that is lost by what he answers."""
    server = site.server(repository.path, agent_token=TOKEN)
    server.start()
    agent = site.agent(server, agent_token=TOKEN, slots=2)
    agent.start()
    wait_until(lambda: "agent enrolled" in server.words, "it enrols")
    kept = json.loads((agent.data / "credential.json").read_text())
    assert kept["proves"]
    go = site.folder / "go"
    printing = server.submit(f"echo hello; {held(go)}; echo world; exit 3")
    silent = server.submit(f"{held(go)}; exit 4")
    server.wait_log(printing, b"hello\n")
    server.wait_build(silent, "running")
    server.kill()
    with open_listener(server.port) as listener:
        go.touch()
        heard = TO_SERVER.issubset
        wait_until(lambda: listener.paths, "the agent has called", until=heard)
    words = repr(listener.heard)
    assert TOKEN not in words
    assert kept["credential"] not in words
    server.start()
    forged: Any = {"id": f"{silent}.1.1", "status": "success", "reason": "exited", "protocol": 1}
    lie = json.dumps(forged).encode()
    for path, headers, body in listener.heard:
        for place, said in ((path, body), (path, lie), (RESULT, lie), (RESULT, body)):
            assert say_again(server, place, headers, said) == 401
    for number, code in ((printing, 3), (silent, 4)):
        view = server.wait_build(number)
        assert (view["status"], view["exit_code"]) == ("failure", code)
    assert server.log_of(printing) == b"hello\nworld\n"
