"""The database breaks under a server: it accepts nothing more, ends, and says what to do."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from ci.program import CAN_NOT_START
from tests.real.harness import Server, Site, wait_until
from tests.real.repository import Repository

BUILDS = 40  # enough for pages of the file beyond its first one


def overwrite(data: Path) -> None:
    """As a disk does that mixes up its blocks."""
    for name in ("ci.sqlite3", "ci.sqlite3-wal"):
        with (data / name).open("r+b") as file:
            file.write(b"\xa5" * os.fstat(file.fileno()).st_size)


def cut(data: Path) -> None:
    """As a copy does that is not finished."""
    os.truncate(data / "ci.sqlite3-wal", 0)
    os.truncate(data / "ci.sqlite3", 5000)


def check_last_word(server: Server) -> None:
    """One line that names the file and what to do, after the event; and no traceback."""
    assert server.wait_end() == CAN_NOT_START
    *_, event, last = server.words.splitlines()
    assert " store damaged path=" in event
    assert str(server.data / "ci.sqlite3") in last
    assert "python -m ci.server check" in last
    assert "restore a back-up" in last
    assert "Traceback" not in server.words


@pytest.mark.parametrize("damage", [overwrite, cut])
@pytest.mark.parametrize("path", ["/api/builds/1", "/?q=true"])
def test_a_server_whose_database_breaks_ends_with_a_word(
    site: Site, repository: Repository, damage: object, path: str
) -> None:
    """Whoever finds it, on the spot or in a thread; the next start says the same."""
    assert callable(damage)
    server = site.server(repository.path)
    server.start()
    for _ in range(BUILDS):
        server.submit("true")
    damage(server.data)
    answers = []

    def ask() -> None:
        answers.append(server.get(path).status_code)
        body = {"commit": "main", "command": "true"}
        answers.append(server.post("/api/builds", body).status_code)

    def has_ended() -> bool:
        with suppress(httpx.TransportError):  # it ends in the middle of an answer
            ask()
        return not server.running

    wait_until(has_ended, "the server ends")
    assert set(answers) <= {200, 201, 503}, "what it still has in memory is right"
    check_last_word(server)
    server.start(wait=False)
    assert server.wait_end() == CAN_NOT_START
    assert "Traceback" not in server.words
    assert "restore a back-up" in server.words.splitlines()[-1]
