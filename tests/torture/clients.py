"""The people and programs that ask for builds during a torture run, and cancel some of them.

Each client is a thread with a schedule of its own. A request that surely did not arrive is sent
again; one that may have arrived is not, for a build is made for each that arrives.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final

import httpx

from tests.torture.evidence import Asked, Refusal
from tests.torture.kinds import KINDS, command
from tests.torture.plan import LOSSY_CLIENTS, Plan, Submission
from tests.torture.schedule import Schedule
from tests.torture.stage import Stage

_ANSWER_S: Final = 10.0  # a server that stands still gives no answer at all
_AGAIN_S: Final = 0.5
_LOOK_S: Final = 0.2
_AFTER_S: Final = 60.0  # after the end of all faults; the server should be there by then
_CANCEL_TRIES: Final = 40
_PATIENCE_S: Final = 0.3  # who waits at least so long before a cancel, waits until the build runs
_SHARE_OF_RUN: Final = 0.2  # and then so much of his time again: most commands take a second or two


class Client:
    """One of them. `asked` is what it has asked for and heard, in its order."""

    def __init__(self, number: int, stage: Stage, plan: Plan) -> None:
        self.number = number
        self.asked: list[Asked] = []
        self._lossy = number < LOSSY_CLIENTS
        self._stage = stage
        server = stage.server.url
        proxy = stage.client_proxy
        url = f"http://{proxy.host}:{proxy.port}" if self._lossy else server
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=_ANSWER_S)
        self._until_s = plan.lasts_s + _AFTER_S
        self._schedule = Schedule()
        for one in plan.submissions:
            if one.client == number:
                self._schedule.at(one.at_s, partial(self._submit, one))
        self._pool = ThreadPoolExecutor(1)
        self._work: Future[None]

    def start(self) -> None:
        """Begin."""
        self._work = self._pool.submit(self._schedule.run)

    def wait(self) -> None:
        """Return when all was asked for. Raises what it has failed with."""
        self._pool.shutdown()
        self._work.result()
        self._http.close()

    def stop(self) -> None:
        """Ask for nothing more."""
        self._schedule.stop()
        self.wait()

    def _submit(self, one: Submission) -> None:
        repository = self._stage.repositories[len(one.token) % len(self._stage.repositories)]
        body = {
            "repository": repository,
            "commit": KINDS[one.kind].commit,
            "command": command(one.kind, one.token, self._stage.notes),
            "labels": one.labels,
        }
        try:
            answer = self._http.post("/api/builds", json=body)
        except httpx.ConnectError:
            if self._schedule.now_s > self._until_s:
                return
            self._schedule.after(_AGAIN_S, lambda: self._submit(one))
            return
        except httpx.TransportError:
            self._note(one)
            return
        if answer.status_code == 201:
            number: int = answer.json()["number"]
            self._note(one, number=number)
            if one.cancel_after_s is not None and one.cancel_after_s < _PATIENCE_S:
                self._schedule.after(one.cancel_after_s, lambda: self._cancel(number, 1))
            elif one.cancel_after_s is not None:
                self._cancel_in_midst(number, one.cancel_after_s * _SHARE_OF_RUN)
        else:
            self._note(one, refusal=Refusal(answer.status_code, answer.text))

    def _note(
        self, one: Submission, number: int | None = None, refusal: Refusal | None = None
    ) -> None:
        self.asked.append(
            Asked(one.token, one.kind, self.number, self._lossy, number=number, refusal=refusal)
        )

    def _cancel_in_midst(self, number: int, after_s: float) -> None:
        """Cancel a build so long after it was seen to run."""
        try:
            waits = self._http.get(f"/api/builds/{number}").json().get("status") == "waiting"
        except (httpx.TransportError, ValueError):
            waits = True  # for all that is known
        if waits and self._schedule.now_s < self._until_s:
            self._schedule.after(_LOOK_S, lambda: self._cancel_in_midst(number, after_s))
        else:
            self._schedule.after(after_s, lambda: self._cancel(number, 1))

    def _cancel(self, number: int, tries: int) -> None:
        index = next(i for i, asked in enumerate(self.asked) if asked.number == number)
        try:
            answer = self._http.post(f"/api/builds/{number}/cancel")
        except httpx.TransportError:
            heard = None
        else:
            heard = answer.status_code
        self.asked[index] = self.asked[index].with_cancel(heard)
        if (heard is None or heard >= 500) and tries < _CANCEL_TRIES:
            self._schedule.after(_AGAIN_S, lambda: self._cancel(number, tries + 1))
