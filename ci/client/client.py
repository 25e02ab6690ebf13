"""Client: everything that one may ask of a server from far away.

Every call raises Unreachable when there is no answer, and ApiRefused with the server's sentence.
What only looks may be asked again as often as one likes; `follow` does that by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import trio

from ci.answers.agents import Agent, Agents
from ci.answers.builds import Build, Builds
from ci.answers.news import WhyRed
from ci.answers.server import Health
from ci.backoff import delays
from ci.certificates import plain_context, trusted_context
from ci.client.errors import AnswerLost, ApiRefused
from ci.client.http import Dial, Http, dial
from ci.errors import Unreachable
from ci.model import Status

T = TypeVar("T")
# Told of each time that there was no answer, and of None when there is one again.
Told = Callable[[Unreachable | ApiRefused | None], None]

PIECE_BYTES: Final = 1 << 20  # of a log, asked for at once
LOOK_S: Final = 0.5  # between two looks at a build of which something is new
SELDOM_S: Final = 2.0  # between two looks when nothing has been new for a while
SLOWER: Final = 1.3  # so many times longer is each pause in which nothing came
# After an answer was lost: how long the server may be away, and how long a request that it had may
# take until its build is in the list.
AWAY_S: Final = 60.0
LATE_S: Final = 5.0
MAX_LIST: Final = 500  # builds in one answer


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Bytes of the log of an attempt, from `offset` on."""

    attempt: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which builds to list: all that is given must hold. See the API's own words."""

    status: Status | None = None
    repository: str | None = None
    branch: str | None = None
    agent: str | None = None
    q: str | None = None
    before: int | None = None
    after: int | None = None
    limit: int | None = None


@asynccontextmanager
async def open_client(
    url: str, *, token: str | None = None, certificate: Path | None = None, dial: Dial = dial
) -> AsyncIterator[Client]:
    """Open a client of the server at `url`, an address without a path.

    `certificate` is a file with the server's own certificate, or of the authority that signed it;
    then no other is believed. Raises ConfigError when it is none.
    """
    is_tls = url.lower().startswith("https:")
    trusted = trusted_context(certificate, "certificate") if is_tls else plain_context()
    async with dial(url, trusted) as http:
        yield Client(Http(http, token))


class Client:
    """A server, as who may ask it sees it."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def submit(
        self,
        *,
        commit: str,
        command: str,
        repository: str | None = None,
        priority: int = 0,
        labels: tuple[str, ...] = (),
    ) -> Build:
        """Ask for a build; when this returns it is on the server's disk.

        It is never asked for twice. When the answer is lost, the build is looked for in the list;
        raises AnswerLost when it is not there.
        """
        asked: dict[str, Any] = {
            "commit": commit,
            "command": command,
            "priority": priority,
            "labels": sorted(set(labels)),
        }
        body = asked if repository is None else asked | {"repository": repository}
        newest = await self.builds(Wanted(limit=1))
        last = newest.builds[0].number if newest.builds else 0
        try:
            return await self._http.ask(Build, "POST", "/api/builds", body=body)
        except Unreachable as error:
            if not error.sent:
                raise
            found = await self._find(last, asked, repository)
            if found is None:
                raise AnswerLost(
                    f"the answer to the new build was lost ({error}), and no such build is in the "
                    "server's list: look there before you ask again"
                ) from error
            return found

    async def _find(self, last: int, asked: dict[str, Any], repository: str | None) -> Build | None:
        """Find what was asked for among the builds after `last`; one that comes late, too.

        A repository has a name and an URL: the server knows which of its builds are meant.
        """
        with trio.move_on_after(AWAY_S):
            await self.insist(lambda: self.builds(Wanted(limit=1)))
        with trio.move_on_after(LATE_S):
            while True:
                wanted = Wanted(repository=repository, after=last, limit=MAX_LIST)
                page = await self.insist(partial(self.builds, wanted))
                for build in reversed(page.builds):
                    if all(_plain(getattr(build, name)) == asked[name] for name in asked):
                        return build
                await trio.sleep(LOOK_S)
        return None

    async def build(self, number: int) -> Build:
        """Say all about a build."""
        return await self._http.ask(Build, "GET", f"/api/builds/{number}")

    async def builds(self, wanted: Wanted) -> Builds:
        """List builds, newest first."""
        given = {name: value for name, value in asdict(wanted).items() if value is not None}
        return await self._http.ask(Builds, "GET", "/api/builds", parameters=given)

    async def cancel(self, number: int) -> Build:
        """End a build now."""
        return await self._http.ask(Build, "POST", f"/api/builds/{number}/cancel")

    async def move_to_front(self, number: int) -> Build:
        """Let a build that waits be the next one."""
        return await self._http.ask(Build, "POST", f"/api/builds/{number}/front")

    async def why_red(self, number: int) -> WhyRed:
        """Say what is new in the log of a build that went wrong."""
        return await self._http.ask(WhyRed, "GET", f"/api/builds/{number}/why")

    async def read_log(self, number: int, attempt: str, begin: int) -> bytes:
        """Return the next bytes of a log; none when there are none yet."""
        path = f"/api/builds/{number}/log"
        return await self._http.bytes_from(path, begin, PIECE_BYTES, attempt=attempt)

    async def agents(self) -> tuple[Agent, ...]:
        """List the agents."""
        return (await self._http.ask(Agents, "GET", "/api/agents")).agents

    async def pause_agent(self, name: str, note: str = "") -> tuple[Agent, ...]:
        """Give an agent no more work, and note why."""
        path = f"/api/agents/{quote(name, safe='')}/pause"
        return (await self._http.ask(Agents, "POST", path, body={"note": note})).agents

    async def resume_agent(self, name: str) -> tuple[Agent, ...]:
        """Give an agent work again."""
        path = f"/api/agents/{quote(name, safe='')}/resume"
        return (await self._http.ask(Agents, "POST", path)).agents

    async def health(self) -> Health:
        """Say whether the server can take and run builds, and why not."""
        return await self._http.ask(Health, "GET", "/healthz", also=(503,))

    async def follow(
        self, number: int, told: Told = lambda _: None
    ) -> AsyncIterator[Build | LogPiece]:
        """Yield a build whenever it has changed, and its log as it comes, until both have ended.

        The log of its latest attempt, and of those that follow; at the very end the build as it
        has ended. A server that is away is waited for, for ever, as `insist` does.
        """
        seen: Build | None = None
        attempt, at, pause_s = "", 0, LOOK_S
        while True:
            build = await self.insist(partial(self.build, number), told)
            is_new = build != seen
            if is_new and not build.status.ended:
                yield build
            seen = build
            ids = [one.id for one in build.attempts]
            left = ids[ids.index(attempt) :] if attempt in ids else ids[-1:]
            for id in left:  # the end of an attempt that was lost comes before the next one
                if id != attempt:
                    attempt, at = id, 0
                while data := await self._more(number, id, at, told):
                    yield LogPiece(id, at, data)
                    at += len(data)
                    is_new = True
            if build.status.ended and not any(one.log_open for one in build.attempts[-1:]):
                yield build
                return
            pause_s = LOOK_S if is_new else min(pause_s * SLOWER, SELDOM_S)
            await trio.sleep(pause_s)

    async def _more(self, number: int, attempt: str, begin: int, told: Told) -> bytes:
        """Read on in a log; nothing when the attempt is no more.

        One whose agent did not take it is forgotten. What became of the build, the next look says.
        """
        try:
            return await self.insist(partial(self.read_log, number, attempt, begin), told)
        except ApiRefused as error:
            if (error.status, error.field) != (404, "attempt"):
                raise
            return b""

    async def insist(self, ask: Callable[[], Awaitable[T]], told: Told = lambda _: None) -> T:
        """Ask what changes nothing again and again until there is an answer.

        `told` is told of each time that there was none, or "not now", and of None in the end.
        Raises ApiRefused when the server has said no.
        """
        is_away = False
        for wait_s in delays():
            try:
                answer = await ask()
            except (Unreachable, ApiRefused) as error:
                if isinstance(error, ApiRefused) and not error.is_passing:
                    raise
                is_away = True
                told(error)
                await trio.sleep(error.retry_after_s or wait_s)
            else:
                if is_away:
                    told(None)
                return answer
        raise AssertionError("delays never end")


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, tuple) else value
