"""A stand-in agent: takes what a server hands it, runs nothing, and answers as a probe wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import trio
from quart import Response, request
from quart_trio import QuartTrio

from ci.conformance.calls import Answer, Peer
from ci.conformance.port import MakeDoor
from ci.errors import Rejected
from ci.wire.job import PATH as BUILD_PATH
from ci.wire.job import Job, read_job
from ci.wire.status import CANCEL_PATH, read_cancel

# How servers spell these two, the most frequent first.
SPELLINGS: Final = (
    ("/notify-agent", "/notify-build-result"),
    ("/notify_agent", "/notify_build_result"),
    ("/api/notify-agent", "/api/notify-build-result"),
    ("/api/notify_agent", "/api/notify_build_result"),
)
UNKNOWN: Final = (404, 405, 501)
GOOD, BAD = 0, 1  # exit codes


@dataclass(slots=True)
class Task:
    """A job that has come. `answer` is when `/build` is answered."""

    job: Job
    said: dict[str, Any]
    answer: trio.Event = field(default_factory=trio.Event)


class StandInAgent:
    """One agent with one slot. It knows only what the specification says, and `/cancel`."""

    def __init__(self, server: Peer, make_door: MakeDoor) -> None:
        self._server = server
        self.tasks: list[Task] = []  # all that ever came
        self.open: list[Task] = []  # those of which nothing was delivered
        self.unreadable: list[str] = []
        self.canceled: list[str] = []
        self.answers_late = False  # to /build: when the task's event is set
        self.refuses = False
        self.refused = 0  # how many jobs were answered "not now"
        self._came = trio.Event()
        self._had = 0  # tasks that the probes know of
        self._spelling: tuple[str, str] | None = None
        app = QuartTrio("stand_in_agent", static_folder=None)
        app.add_url_rule(BUILD_PATH, view_func=self._build, methods=["POST"])
        app.add_url_rule(CANCEL_PATH, view_func=self._cancel, methods=["POST"])
        self.door = make_door(app)

    async def register(self) -> Answer:
        """Say where it is, by the first spelling that the server knows."""
        said = {
            "host": self.door.host,
            "hostname": self.door.host,
            "port": self.door.number,
            "available": not self.open,
        }
        known = (self._spelling,) if self._spelling else SPELLINGS
        for spelling in known:
            answer = await self._server.post(spelling[0], said)
            if answer.status not in UNKNOWN:
                self._spelling = spelling
                break
        return answer

    @property
    def result_path(self) -> str:
        """Where results are told."""
        return (self._spelling or SPELLINGS[0])[1]

    async def next_task(self, within_s: float) -> Task | None:
        """Wait for the next job that no probe has had yet; None when none comes."""
        with trio.move_on_after(within_s):
            while len(self.tasks) <= self._had:
                await self._came.wait()
        if len(self.tasks) <= self._had:
            return None
        self._had += 1
        return self.tasks[self._had - 1]

    def skip_tasks(self) -> None:
        """Let what has come so far be of no probe's interest."""
        self._had = len(self.tasks)

    async def deliver(self, task: Task, code: int = GOOD, log: str = "", **more: Any) -> Answer:
        """Tell how a job ended, in all spellings at once."""
        answer = await self.tell(_result(task.job.id, code, log) | more)
        if answer.is_good:
            self.drop(task)
        return answer

    def drop(self, task: Task) -> None:
        """Have nothing of it any more."""
        task.answer.set()
        if task in self.open:
            self.open.remove(task)

    async def tell(self, body: dict[str, Any] | bytes) -> Answer:
        """Send anything to where results are told."""
        return await self._server.post(self.result_path, body)

    async def _build(self) -> Response:
        body = await request.get_data(as_text=False)
        assert isinstance(body, bytes)  # by `as_text`
        if self.refuses:
            self.refused += 1
            self._came.set()
            self._came = trio.Event()
            return Response("no free slot", 409)
        try:
            job = read_job(body)
        except Rejected as error:
            self.unreadable.append(error.message)
            return Response(error.message, 422)
        task = Task(job, await request.get_json(force=True))
        self.tasks.append(task)
        self.open.append(task)
        self._came.set()
        self._came = trio.Event()
        if self.answers_late:
            await task.answer.wait()
        return Response("OK")

    async def _cancel(self) -> Response:
        body = await request.get_data(as_text=False)
        assert isinstance(body, bytes)  # by `as_text`
        try:
            self.canceled.append(read_cancel(body).id)
        except Rejected as error:
            return Response(error.message, 422)
        self._came.set()
        self._came = trio.Event()
        return Response("OK")

    async def wait_refused(self, count: int, within_s: float) -> bool:
        """Wait until it has refused so many jobs; say if it has."""
        with trio.move_on_after(within_s):
            while self.refused < count:
                await self._came.wait()
        return self.refused >= count

    async def wait_canceled(self, id: str, within_s: float) -> bool:
        """Wait until it is asked to end a job; say if it was."""
        with trio.move_on_after(within_s):
            while id not in self.canceled:
                await self._came.wait()
        return id in self.canceled


def _result(id: str, code: int, log: str) -> dict[str, Any]:
    """A result in all spellings that do not contradict each other."""
    return {
        "id": id,
        "buildId": id,
        "success": code == GOOD,
        "status": "Success" if code == GOOD else "Fail",
        "exitCode": code,
        "log": log,
        "buildLog": log,
        "stdout": log,
        "stderr": "",
        "duration": 1000,
    }
