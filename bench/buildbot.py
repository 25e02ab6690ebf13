"""Buildbot, as whoever measures meets it: master and worker in a fresh folder, and the REST API.

Settings are the defaults, but for what a measure is about: four builds at once on the worker, and
requests that are not joined into one build, as Buildbot does by itself.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from bench.stage import END_S
from tests.real.harness import START_S, clean_environment

SLOTS: Final = 4
LOOK_S: Final = 0.02  # between two looks of one who waits: less would be a load of its own
CONFIGURATION: Final = """
from buildbot.plugins import schedulers, steps, util, worker
builders = {builders!r}
def build_step(kind, *of):
    if kind == "git":
        repository, method = of
        return steps.Git(repourl=repository, mode="full", method=method)
    return steps.ShellCommand(command=["sh", "-c", *of])
BuildmasterConfig = {{
    "workers": [worker.Worker("worker", "password", max_builds={slots})],
    "protocols": {{"pb": {{"port": "tcp:{worker_port}:interface=127.0.0.1"}}}},
    "www": {{"port": "tcp:{port}:interface=127.0.0.1"}},
    "buildbotURL": "http://127.0.0.1:{port}/",
    "buildbotNetUsageData": None,
    "collapseRequests": False,
    "schedulers": [
        schedulers.ForceScheduler(name="force-" + name, builderNames=[name]) for name in builders
    ],
    "builders": [
        util.BuilderConfig(
            name=name, workernames=["worker"],
            factory=util.BuildFactory([build_step(*each) for each in wanted]),
        )
        for name, wanted in builders.items()
    ],
}}
"""
Steps = Sequence[Sequence[str]]


class Program:
    """A process of Buildbot's."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with all that it starts in a session of its own."""
        with (self._folder / "output.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=_environment(self._folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to end; then it and the rest of its session have to."""
        if self.process is None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(START_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


class Buildbot:
    """A master and its worker, and one connection to the master."""

    def __init__(self, programs: Path, folder: Path, builders: Mapping[str, Steps]) -> None:
        self.port, worker_port = _free_port(), _free_port()
        for name in ("master", "worker"):
            (folder / name).mkdir()
        master, worker = programs / "buildbot", programs / "buildbot-worker"
        _run(folder, master, "create-master", "master")
        _run(
            folder,
            worker,
            "create-worker",
            "worker",
            f"127.0.0.1:{worker_port}",
            "worker",
            "password",
        )
        (folder / "master" / "master.cfg").write_text(
            CONFIGURATION.format(
                builders=builders, slots=SLOTS, port=self.port, worker_port=worker_port
            ),
            encoding="utf-8",
        )
        self.master = Program((master, "start", "--nodaemon"), folder / "master")
        self.worker = Program((worker, "start", "--nodaemon"), folder / "worker")

    def start(self) -> None:
        """Start both, and wait until the master has its worker."""
        self.master.start()
        self.worker.start()
        deadline = time.monotonic() + START_S
        while not (self.is_there() and self._workers()):
            assert time.monotonic() < deadline, "Buildbot does not start"
            time.sleep(LOOK_S)

    def is_there(self) -> bool:
        """Whether the first page is answered."""
        try:
            return bool(self.ask("/"))
        except ConnectionRefusedError:
            return False

    def stop(self) -> None:
        """End both."""
        self.worker.stop()
        self.master.stop()

    def ask(self, path: str, body: object = None) -> bytes:
        """Ask for `path`, or send it `body` as JSON, and return the body of a good answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            method = "GET" if body is None else "POST"
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            found = answer.read()
        finally:
            connection.close()
        assert answer.status == http.client.OK, (path, answer.status, found[:500])
        return found

    def submit(self, builder: str) -> int:
        """Ask for a build and return the number of the request."""
        answer = json.loads(self.ask(*force(builder)))
        (request,) = answer["result"][1].values()
        return int(request)

    def wait_end(self, request: int) -> None:
        """Look at a request until its build has ended well."""
        deadline = time.monotonic() + END_S
        path = f"/buildrequests/{request}"
        while not (found := self._many(path, "buildrequests")[0])["complete"]:
            assert time.monotonic() < deadline, found
            time.sleep(LOOK_S)
        assert found["results"] == 0, found

    def wait_all(self, look_s: float) -> None:
        """Wait until nothing is left to do, and see that all has ended well."""
        deadline = time.monotonic() + END_S
        while self._many("/buildrequests?complete=false&limit=1", "buildrequests"):
            assert time.monotonic() < deadline, "not all have ended"
            time.sleep(look_s)
        assert not self._many("/buildrequests?results__ne=0&limit=1", "buildrequests")

    def _workers(self) -> bool:
        return any(worker["connected_to"] for worker in self._many("/workers", "workers"))

    def _many(self, path: str, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ask(f"/api/v2{path}"))[kind]
        return found


def force(builder: str) -> tuple[str, dict[str, Any]]:
    """Return the address and the body of the question for a build."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "force", "params": {"owner": "bench"}}
    return f"/api/v2/forceschedulers/force-{builder}", call


@contextmanager
def open_buildbot(
    programs: Path, folder: Path, builders: Mapping[str, Steps]
) -> Iterator[Buildbot]:
    """Start Buildbot in `folder` and end it."""
    buildbot = Buildbot(programs, folder, builders)
    try:
        buildbot.start()
        yield buildbot
    finally:
        buildbot.stop()


def version(programs: Path) -> str:
    """Return its name and version."""
    command = (programs / "buildbot", "--version")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0].replace(" version:", "")


def _run(folder: Path, *command: str | Path) -> None:
    subprocess.run(command, cwd=folder, env=_environment(folder), capture_output=True, check=True)


def _environment(folder: Path) -> dict[str, str]:
    return clean_environment() | {"HOME": str(folder)}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
