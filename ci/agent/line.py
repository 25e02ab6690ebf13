"""The line to the server: asks until it answers, and says in the log how long it has not."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
import trio

from ci.agent.client import ServerClient
from ci.agent.metrics import Metrics
from ci.backoff import delays
from ci.errors import PeerRefused, Unreachable
from ci.outage import Outage
from ci.wire.registration import Welcome

T = TypeVar("T")

REFUSED_PAUSE_S: Final = 60.0  # a refusal is mended by a person, if at all
REMIND_S: Final = 60.0  # between two log lines about the same outage
REFUSED_REMIND_S: Final = 600.0  # between two log lines about the same refusal
MAX_REFUSALS: Final = 100  # that are told apart; some answers never come twice

log = structlog.get_logger()


class Line:
    """The way to one server and back, shared by all that talk to it."""

    def __init__(self, client: ServerClient, metrics: Metrics) -> None:
        self.client = client
        self.metrics = metrics
        self.welcome: Welcome | None = None  # its answer to the last registration
        self.heard_at = -math.inf  # when the server last asked us something, in trio's seconds
        self._heard = trio.Event()
        self._out = Outage(REMIND_S)
        self._refusals: dict[tuple[str, str], Outage] = {}  # by what was asked, and the answer

    @property
    def native(self) -> bool:
        """Whether the server is known to be one of this project."""
        return self.welcome is not None and self.welcome.protocol > 0

    def heard(self) -> None:
        """Note that the server asked us something: whatever waits for it tries again at once."""
        self.heard_at = trio.current_time()
        self._heard.set()
        self._heard = trio.Event()

    async def wait_heard(self, limit_s: float) -> None:
        """Return when the server asks us something, or after so many seconds."""
        with trio.move_on_after(limit_s):
            await self._heard.wait()

    async def insist(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Call `ask` until it answers, and return that. `what` is for the log.

        Goes on for ever after Unreachable, TooSlowError and PeerRefused; others pass through.
        """
        waits = delays()
        while True:
            try:
                answer = await ask()
            except trio.TooSlowError:
                await self._pause(what, Unreachable("no answer in time"), next(waits))
            except Unreachable as error:
                await self._pause(what, error, next(waits))
            except PeerRefused as error:
                self._reached()
                await self.bear_refusal(what, str(error))
            else:
                self._reached()
                self._refusals = {key: it for key, it in self._refusals.items() if key[0] != what}
                return answer

    async def bear_refusal(self, what: str, answer: str) -> None:
        """Say that the server refused `what`, and wait until it may be asked again."""
        self.metrics.repeated(what)
        if len(self._refusals) >= MAX_REFUSALS:
            self._refusals.clear()
        refusal = self._refusals.setdefault((what, answer), Outage(REFUSED_REMIND_S))
        if (lasted_s := refusal.failed()) is not None:
            log.error(
                "refused", what=what, answer=answer, for_s=lasted_s, next="asked again each minute"
            )
        await trio.sleep(REFUSED_PAUSE_S)

    async def _pause(self, what: str, error: Unreachable, wait_s: float) -> None:
        self.metrics.repeated(what)
        lasted_s = self._out.failed()
        if lasted_s == 0:
            log.warning("server unreachable", what=what, error=str(error), next="tried for ever")
        elif lasted_s is not None:
            log.warning("server still unreachable", what=what, error=str(error), for_s=lasted_s)
        if error.retry_after_s is not None:
            await trio.sleep(error.retry_after_s)
            return
        await self.wait_heard(wait_s)

    def _reached(self) -> None:
        if (lasted_s := self._out.over()) is not None:
            log.info("server reachable again", after_s=lasted_s)
