"""The stage of a measure: a fresh folder, a real server and real agents, all with default settings.

What is set beside the defaults is what a measure is about, such as the number of slots.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.cost import Cost
from tests.real.harness import ENDED, Program, Server, Site
from tests.real.repository import Repository

LOOK_S: Final = 0.005  # between two looks of one who waits: each costs the server a request
END_S: Final = 900.0  # whatever takes longer is a bug
BROWSER: Final = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


class Size(Enum):
    """How much is measured."""

    TINY = "tiny"  # seconds: does it run at all?
    USUAL = "usual"
    WHOLE = "whole"  # with what takes long


class Stage:
    """A server, its agents, a small repository, and one connection to ask by."""

    def __init__(self, site: Site, size: Size) -> None:
        self.site = site
        self.size = size
        self.repository = Repository(site.folder / "repository")
        self.repository.commit({"README.md": "A project.\n"})
        self.server: Server
        self.agents: list[Program] = []
        self._connection: http.client.HTTPConnection

    def pick(self, tiny: int, usual: int, whole: int) -> int:
        """Return the number that belongs to the size."""
        return {Size.TINY: tiny, Size.USUAL: usual, Size.WHOLE: whole}[self.size]

    def start(self, *, agents: int = 1, slots: int = 1, **settings: object) -> None:
        """Start a server with its agents; `settings` are flags of the server."""
        repository = {} if "repositories" in settings else {"repository": self.repository.path}
        self.start_server(self.site.one_server("server", repository | settings))
        self.start_agents(agents, slots)

    def start_server(self, server: Server) -> None:
        """Start a server that a measure has made."""
        self.server = server
        server.start()
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def start_agents(self, count: int, slots: int) -> None:
        """Start the agents and wait until all are online."""
        for nth in range(count):
            agent = self.site.agent(self.server, f"agent-{nth}", slots=slots)
            agent.start()
            self.agents.append(agent)
        self.server.wait_agents(count)

    def costs(self) -> tuple[Cost, Cost]:
        """Count from now on what the server and the first agent cost."""
        return Cost(self.server), Cost(self.agents[0])

    def ask(
        self, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> bytes:
        """Ask for `path`, or send it `body` as JSON, and return the body of a good answer."""
        content = None if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        self._connection.request(method, path, content, headers or {})
        answer = self._connection.getresponse()
        found = answer.read()
        assert answer.status < http.client.BAD_REQUEST, (path, answer.status, found[:500])
        return found

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """Ask for `path` and yield the body of a good answer in pieces of at most `size` bytes."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        assert answer.status < http.client.BAD_REQUEST, (path, answer.status)
        while piece := answer.read(size):
            yield piece

    def json(self, path: str, body: object = None) -> Any:
        """Do the same with an answer in JSON."""
        return json.loads(self.ask(path, body))

    def submit(self, command: str, commit: str = "main", **more: object) -> int:
        """Ask for a build and return its number."""
        build = self.json("/api/builds", {"commit": commit, "command": command, **more})
        number: int = build["number"]
        return number

    def wait_end(self, number: int, look_s: float = LOOK_S) -> dict[str, Any]:
        """Look at a build until it has ended well, and return it."""
        deadline = time.monotonic() + END_S
        while True:
            build: dict[str, Any] = self.json(f"/api/builds/{number}")
            if build["status"] in ENDED:
                assert build["status"] == "success", build
                return build
            assert time.monotonic() < deadline, build
            time.sleep(look_s)

    def close(self) -> None:
        """Close the connection; the site ends the programs."""
        if hasattr(self, "_connection"):
            self._connection.close()


@contextmanager
def open_stage(size: Size, sandbox: str) -> Iterator[Stage]:
    """Open a stage in a fresh folder, and remove all of it at the end.

    The agents hold commands in as they do by themselves, unless `sandbox` says something else.
    """
    with TemporaryDirectory(prefix="nursery-ci-bench-") as folder:
        site = Site(Path(folder))
        site.environment["CI_AGENT_SANDBOX"] = sandbox
        try:
            with closing(Stage(site, size)) as stage:
                yield stage
        finally:
            site.close()


def milliseconds(
    build: dict[str, Any], begin: str = "created_at", end: str = "finished_at"
) -> float:
    """How long a build took from one of its times to another, by the server's clock."""
    return (_time(build[end]) - _time(build[begin])) * 1000


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
