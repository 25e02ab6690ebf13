"""The data folder is removed under a server: nothing more is answered, and it ends with a word."""

from __future__ import annotations

import shutil
from contextlib import suppress

import httpx

from ci.program import CAN_NOT_START
from tests.real.harness import Site, wait_until
from tests.real.repository import Repository


def test_a_server_without_its_folder_takes_nothing_and_ends(
    site: Site, repository: Repository
) -> None:
    """An empty folder in its place does not pass for the store; the next start has a new one."""
    server = site.server(repository.path)
    server.start()
    server.submit("true")
    shutil.rmtree(server.data)
    server.data.mkdir()
    answers = []
    while server.running:
        with suppress(httpx.TransportError):  # it has ended
            answer = server.post("/api/builds", {"commit": "main", "command": "true"})
            answers.append(answer.status_code)
    assert set(answers) <= {503}
    assert server.wait_end() == CAN_NOT_START
    assert "data folder removed" in server.words
    assert "restore a back-up, then start the server again" in server.words.splitlines()[-1]
    server.start()
    assert server.submit("true") == 1


def test_its_place_may_be_taken_by_another(site: Site, repository: Repository) -> None:
    """The first one leaves the folder to the second."""
    first, second = site.server(repository.path), site.server(repository.path)
    first.start()
    (first.data / "lock").unlink()
    second.start()
    wait_until(lambda: not first.running, "the first server ends")
    assert first.wait_end() == CAN_NOT_START
    assert second.submit("true") == 1
