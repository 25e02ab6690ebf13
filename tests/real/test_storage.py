"""Builds of a storage API that answers 500 three times of ten, while it and we are killed."""

from __future__ import annotations

from collections import Counter
from functools import partial
from operator import lt
from pathlib import Path
from typing import Any, Final

import httpx

from tests.real.harness import Program, Server, Site, held, wait_until
from tests.real.repository import Repository

TOKEN: Final = "t-0k3n"
BUILDS: Final = 100
SHARED: Final = 30
LONG_S: Final = 240.0  # with all that fails it takes a quarter of that on a quiet machine
_TRIES: Final = 100


class Storage:
    """The stand-in as a test asks it: again, until it works."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Make a call that changes nothing twice, and return what it says."""
        for _ in range(_TRIES):
            answer = self.program.site.http.request(
                method,
                f"{self.program.url}/api/{path}",
                json=body,
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            if answer.status_code == httpx.codes.OK:
                return answer.json() if answer.content else None
            assert answer.status_code == 500, answer.text
        raise AssertionError(f"{path} never worked")

    def configure(self, repository: Repository, command: str) -> None:
        """Say what is built."""
        name = "/".join(repository.path.parts[-2:])
        body = {"repoName": name, "buildCommand": command, "mainBranch": "main", "period": 0}
        self.ask("POST", "conf", body)

    def request(self) -> None:
        """Ask for a build; for two, if an answer of 500 was a lie."""
        body = {"commitMessage": "m", "commitHash": "main", "branchName": "b", "authorName": "a"}
        self.ask("POST", "build/request", body)

    def builds(self) -> list[dict[str, Any]]:
        """All builds."""
        found: list[dict[str, Any]] = self.ask("GET", "build/list?limit=1000")["data"]
        return found

    def ended(self) -> int:
        """How many have ended."""
        ends = ("Success", "Fail", "Canceled")
        return sum(build["status"] in ends for build in self.builds())


def _open_storage(site: Site, **flags: object) -> Storage:
    storage = site.program("ci.storage_api", "storage", api_token=TOKEN, **flags)
    storage.start()
    return Storage(storage)


def _open_server(site: Site, storage: Storage, folder: Path, name: str, **more: object) -> Server:
    settings: dict[str, object] = {
        "api_base_url": f"{storage.program.url}/api/",
        "api_token": TOKEN,
        "api_poll_seconds": 0.2,
        "repository_prefix": f"{folder}/",
        "commands": "any",
    }
    return site.one_server(name, settings | more)


def _ran(file: Path) -> list[str]:
    return file.read_text("utf-8").split() if file.exists() else []


def _count(server: Server, status: str) -> int:
    """How many builds of a server have a status."""
    counts: dict[str, int] = server.get("/api/builds").json()["counts"]
    return counts.get(status, 0)


def test_both_are_killed_in_the_middle_of_many_builds(site: Site, repository: Repository) -> None:
    """Each is built once, each end is told, with its log; none is lost and none is doubled."""
    ran = site.folder / "ran"
    storage = _open_storage(site, unstable=0.3)
    storage.configure(repository, f"echo $CI_BUILD_NUMBER >> {ran}; echo it ran")
    while len(storage.builds()) < BUILDS:
        storage.request()
    count = len(storage.builds())
    server = _open_server(site, storage, repository.path.parent.parent, "server")
    server.start()
    agent = site.agent(server, slots=4)
    agent.start()
    for share, victim in ((0.1, server), (0.3, storage.program), (0.5, server), (0.7, server)):
        wait_until(storage.ended, "some have ended", LONG_S, until=partial(lt, share * count))
        victim.kill()
        if victim is server and share > 0.4:
            storage.program.kill()
            storage.program.start()
        victim.start()
    wait_until(storage.ended, "all have ended", LONG_S, until=lambda n: n == count)
    assert {build["status"] for build in storage.builds()} == {"Success"}
    assert len(_ran(ran)) == len(set(_ran(ran))) == count
    here = server.get("/api/builds", limit=500).json()["builds"]
    assert Counter(build["status"] for build in here) == {"success": count}
    some = storage.builds()[0]["id"]
    log = site.http.get(
        f"{storage.program.url}/build/log",
        params={"buildId": some},
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    assert log.status_code == 500 or log.text == "it ran\n"


def test_two_servers_share_one_storage(site: Site, repository: Repository) -> None:
    """Each build is built by one of them; the other drops it."""
    ran = site.folder / "ran"
    storage = _open_storage(site)
    go = site.folder / "go"
    storage.configure(repository, f"{held(go)}; echo once >> {ran}")
    for _ in range(SHARED):
        storage.request()
    servers = []
    for name in ("one", "two"):
        server = _open_server(site, storage, repository.path.parent.parent, name, api_shared="true")
        server.start()
        site.agent(server, f"agent-{name}", slots=2).start()
        servers.append(server)
    for server in servers:
        wait_until(partial(_count, server, "running"), "each server has its share", LONG_S)
    go.touch()
    wait_until(storage.ended, "all have ended", LONG_S, until=lambda n: n == SHARED)
    assert {build["status"] for build in storage.builds()} == {"Success"}
    assert len(_ran(ran)) == SHARED
    greens = [
        wait_until(partial(_count, server, "success"), "builds have ended", LONG_S)
        for server in servers
    ]
    assert sum(greens) == SHARED
