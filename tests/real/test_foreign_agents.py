"""Agents as others write them, run as they are against our server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.foreign.little_agents import (
    BuildsBeforeItAnswers,
    HangsUp,
    LittleAgent,
    OneRequestAConnection,
    TellsInBools,
    tell,
)
from tests.real.harness import Site, wait_until
from tests.real.repository import Repository

KINDS: list[Any] = [BuildsBeforeItAnswers, TellsInBools, HangsUp, OneRequestAConnection]
LONG = "echo first; yes 'a line of output' | head -c 300000; echo; echo last"


@contextmanager
def _serve(kind: Any, coordinator: str) -> Iterator[Any]:
    program = kind.program(("127.0.0.1", 0), kind)
    program.coordinator, program.taken = coordinator, []
    thread = threading.Thread(target=program.serve_forever, args=(0.05,))
    thread.start()
    try:
        tell(coordinator + kind.register_path, kind.registration(program.server_port))
        yield program
    finally:
        program.shutdown()
        thread.join()
        program.server_close()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_agent_of_others_does_its_builds(
    site: Site, repository: Repository, kind: type[LittleAgent]
) -> None:
    """Each once, in order, with its verdict and its output, however it speaks."""
    server = site.server(repository.path, heartbeat_seconds=0.2, grace_seconds=1)
    server.start()
    with _serve(kind, server.url) as agent:
        # Many heartbeats long: one that is silent meanwhile would be lost by any other measure.
        numbers = [server.submit(command) for command in ("sleep 6", "echo no; exit 3", LONG)]
        builds = [server.wait_build(number) for number in numbers]
        assert [build["status"] for build in builds] == ["success", "failure", "success"]
        assert [job["id"] for job in agent.taken] == [f"{number}.1.1" for number in numbers]
        log = server.log_of(numbers[2])
        assert len(log) > 300_000
        assert (log[:6], log[-5:]) == (b"first\n", b"last\n")
        assert "agent lost" not in server.words


def test_one_that_was_killed_and_is_back_gets_its_build_again(
    site: Site, repository: Repository
) -> None:
    """It has forgotten it, and says nothing; but nobody listened at its port in between."""
    server = site.server(repository.path, heartbeat_seconds=0.2, grace_seconds=30)
    server.start()

    class Forgets(TellsInBools):
        def build(self, job: dict[str, Any]) -> None:
            if self.server.lives > 1:
                super().build(job)

    program: Any = Forgets.program(("127.0.0.1", 0), Forgets)
    address = program.server_address
    for lives in (1, 2):
        if lives == 2:
            program = Forgets.program(address, Forgets)
        program.coordinator, program.taken, program.lives = server.url, [], lives
        thread = threading.Thread(target=program.serve_forever, args=(0.05,))
        thread.start()
        if lives == 1:
            tell(server.url + "/notify-agent", Forgets.registration(address[1]))
            number = server.submit("true")
        wait_until(lambda: program.taken, "it has the build")  # noqa: B023 - the present one
        if lives == 2:
            assert server.wait_build(number)["status"] == "success"
        program.shutdown()
        thread.join()
        program.server_close()
        if lives == 1:
            wait_until(lambda: "missed a heartbeat" in server.words, "its port was found closed")
    reasons = [each["reason"] for each in server.build(number)["attempts"]]
    assert reasons == ["agent_restarted", "exited"]
