"""Looks at a torture run while it goes on: statuses and logs of builds, sizes of processes."""

from __future__ import annotations

import random
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any, Final

import httpx
import psutil

from ci.model import Status
from tests.torture.evidence import Piece, Sample
from tests.torture.stage import Stage

_LOOK_S: Final = 0.5
_ANSWER_S: Final = 2.0  # a server that stands still is asked again later


class Watch:
    """Notes what it sees until it is stopped."""

    def __init__(self, stage: Stage) -> None:
        self.seen: dict[int, list[Status]] = defaultdict(list)
        self.read: dict[str, Piece] = {}  # by attempt: the log as somebody read it meanwhile
        self.samples: list[Sample] = []
        self._stage = stage
        self._dice = random.Random()  # which log is read changes nothing for anybody
        self._pids: dict[str, list[int]] = defaultdict(list)
        self._http = httpx.Client(base_url=stage.server.url, trust_env=False, timeout=_ANSWER_S)
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1)
        self._work: Future[None]

    def start(self) -> None:
        """Begin."""
        self._work = self._pool.submit(self._run)

    def stop(self) -> None:
        """End. Raises what it has failed with."""
        self._stop.set()
        self._pool.shutdown()
        self._work.result()
        self._http.close()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self._look_at_builds()
            self.samples += self.sample()

    def _look_at_builds(self) -> None:
        try:
            answer = self._http.get("/api/builds", params={"limit": 200})
        except httpx.TransportError:
            return
        if answer.status_code != 200:
            return
        builds = answer.json()["builds"]
        for build in builds:
            statuses, status = self.seen[build["number"]], Status(build["status"])
            if statuses[-1:] != [status]:
                statuses.append(status)

        self._read_a_log([build for build in builds if build["status"] == "running"])

    def _read_a_log(self, running: list[dict[str, Any]]) -> None:
        if not running:
            return
        build = self._dice.choice(running)
        attempt = build["attempts"][-1]["id"]
        try:
            answer = self._http.get(
                f"/api/builds/{build['number']}/log", params={"attempt": attempt}
            )
        except httpx.TransportError:
            return
        if answer.status_code == 200:
            self.read[attempt] = Piece.of(answer.content)

    def sample(self) -> list[Sample]:
        """Measure each program that runs."""
        found = []
        for name, program in self._stage.programs.items():
            if program.process is None:
                continue
            pids = self._pids[name]
            if program.process.pid not in pids:
                pids.append(program.process.pid)
            try:
                process = psutil.Process(program.process.pid)
                sample = Sample(name, len(pids), process.memory_info().rss, process.num_fds())
            except psutil.Error:
                continue  # killed in this moment
            found.append(sample)
        return found
