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
from ci.errors import PeerRefused, Rejected, Unproved
from ci.wire.registration import Welcome
from ci.wire.sealed import open_credential

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
            if self._line.heard_at < began or self._secret.trust.proves:
                raise
            return Welcome()  # it does not answer, but it came: some servers never answer

    async def _ask(self, said: Mapping[str, Any]) -> Welcome:
        """Register by what we have; enrol by the token if the server does not know that any more.

        A new credential is used at once, so that the server knows that it is kept.
        """
        secret, client = self._secret, self._line.client
        for badge in (secret.badge, secret.token_badge):
            badge.forget_shown()
        if secret.own is not None:
            try:
                return await self._use(said)
            except (PeerRefused, Unproved) as error:
                if error.status != HTTPStatus.UNAUTHORIZED or secret.token is None:
                    raise
        welcome = await client.register(said, secret.token_badge)
        return await self._use(said) if await self._keep(welcome) else welcome

    async def _use(self, said: Mapping[str, Any]) -> Welcome:
        """Register by the credential."""
        welcome = await self._line.client.register(said, self._secret.badge)
        try:
            await self._secret.note_used()
        except OSError as error:
            next_ = "that it proves itself is not known to this agent's next life"
            log.error("proof not noted", error=str(error), next=next_)
        return welcome

    async def _keep(self, welcome: Welcome) -> bool:
        """Keep a credential that was given to us, if one was; say if it is on disk."""
        token, credential = self._secret.token, welcome.credential
        if token is None:
            return False
        try:
            if welcome.sealed_credential:
                credential = open_credential(welcome.sealed_credential, token, welcome.agent)
            if not credential:
                return False
            await self._secret.keep(credential)
        except (OSError, Rejected) as error:
            next_ = "the token counts until the next registration, which brings it again"
            log.error("credential not kept", error=str(error), next=next_)
            return False
        log.info("enrolled", next="a credential of our own counts, no token")
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
