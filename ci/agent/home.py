"""Registration: the server is told where this agent is, and again when it has forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
import trio

from ci.agent.attempts import Attempts
from ci.agent.line import Line
from ci.agent.metrics import REGISTRATION
from ci.agent.secret import Secret
from ci.errors import PeerRefused
from ci.wire.registration import Welcome

ANSWER_LIMIT_S: Final = 10.0  # a server that is only slow has written one line by then
UNHEARD_BEATS: Final = 3  # heartbeats that the server may miss before it counts as forgetful
FOREIGN_BEAT_S: Final = 20.0  # servers of others don't ask; some take a registration for news
MIN_BEAT_S: Final = 0.1
MAX_BEAT_S: Final = 300.0

log = structlog.get_logger()


class Home:
    """Keeps this agent registered. `describe` makes the body of a registration."""

    def __init__(
        self,
        line: Line,
        attempts: Attempts,
        secret: Secret,
        describe: Callable[[], Awaitable[Mapping[str, Any]]],
    ) -> None:
        self._line = line
        self._attempts = attempts
        self._secret = secret
        self._describe = describe
        self._called = trio.Event()
        self._named: dict[str, str] = {}  # the lease marks of the attempts that it was told of
        self._told: tuple[int | str, bool] | None = (
            None  # what the log says of the server, since when:
        )
        self._told_at = 0.0

    def call(self) -> None:
        """Register again now: something has changed that the server should know."""
        self._called.set()

    async def serve(self) -> None:
        """Register, for ever, whenever the server has not been heard for some heartbeats."""
        unheard = True
        while True:
            welcome = await self._line.insist(REGISTRATION, self._register)
            self._tell(welcome, unheard=unheard)
            self._line.welcome = welcome
            for id, verdict in welcome.attempts.items():
                if verdict == "drop":
                    self._attempts.drop(id, self._named.get(id, ""))
            unheard = await self._wait_unheard(welcome)

    def _tell(self, welcome: Welcome, *, unheard: bool) -> None:
        """Log it if it is news: one that never asks us is told of us again and again."""
        agent, native = told = welcome.agent or welcome.agent_id, welcome.protocol > 0
        if told != self._told or (unheard and self._line.heard_at > self._told_at):
            log.info("registered", agent=agent, native=native, again=self._told is not None)
            self._told, self._told_at = told, trio.current_time()

    async def _register(self) -> Welcome:
        began = trio.current_time()
        try:
            with trio.fail_after(ANSWER_LIMIT_S):
                said = await self._describe()
                self._named = {each["id"]: each["lease_mark"] for each in said["attempts"]}
                return await self._ask(said)
        except trio.TooSlowError:
            if self._line.heard_at < began:
                raise
            return Welcome()  # it does not answer, but it came: some servers never answer

    async def _ask(self, said: Mapping[str, Any]) -> Welcome:
        """Register by what we have; enrol by the token if the server does not know that any more.

        A new credential is shown at once, so that the server knows that it is kept.
        """
        secret, client = self._secret, self._line.client
        if secret.own is not None:
            try:
                welcome = await client.register(said)
            except PeerRefused as error:
                if error.status != HTTPStatus.UNAUTHORIZED or secret.token is None:
                    raise
            else:
                secret.note_used()
                return welcome
        client.show(secret.token)
        try:
            welcome = await client.register(said)
            is_kept = secret.token is not None and await self._keep(welcome.credential)
        finally:
            client.show(secret.shown)
        if is_kept:
            welcome = await client.register(said)
            secret.note_used()
        return welcome

    async def _keep(self, credential: str) -> bool:
        """Keep a credential that was given to us, if one was; say if it is on disk."""
        if not credential:
            return False
        try:
            await self._secret.keep(credential)
        except OSError as error:
            next_ = "the token is shown until the next registration, which brings it again"
            log.error("credential not kept", error=str(error), next=next_)
            return False
        log.info("enrolled", next="a credential of our own is shown, no token")
        return True

    async def _wait_unheard(self, welcome: Welcome) -> bool:
        """Return when it is time to register again; whether that is for want of a sign of life."""
        beat_s = welcome.heartbeat_s if welcome.protocol > 0 else FOREIGN_BEAT_S
        limit_s = UNHEARD_BEATS * min(max(beat_s, MIN_BEAT_S), MAX_BEAT_S)
        last = trio.current_time()
        while (now := trio.current_time()) < last + limit_s:
            with trio.move_on_after(last + limit_s - now):
                await self._called.wait()
                self._called = trio.Event()
                return False
            last = max(last, self._line.heard_at)
        return True
