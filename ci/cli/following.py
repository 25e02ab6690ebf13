"""A build followed to its end: what goes on, its log, its verdict. Ctrl-C leaves it running.

follow
├─ signals     the first one ends the looking, and with `cancel` the build
├─ clock       draws the last line of a terminal anew
└─ news        of the build, and its log
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Final

import trio

from ci.answers.builds import Build
from ci.cli import codes, words
from ci.cli.events import LogEvents
from ci.cli.options import Way
from ci.cli.screen import Screen
from ci.client import ApiRefused, Client, LogPiece
from ci.errors import Unreachable
from ci.model import Status

TICK_S: Final = 1.0  # the last line tells seconds
CANCEL_S: Final = 10.0  # after Ctrl-C nobody waits longer for the server


@dataclass(frozen=True, slots=True)
class How:
    """What of a build is told, and what becomes of it when somebody interrupts."""

    log: bool = True
    news: bool = True  # what goes on, and the verdict
    cancel: bool = False


async def follow_build(way: Way, client: Client, number: int, how: How) -> int:
    """Tell what becomes of a build; return its exit code, or that of an interruption."""
    follower = _Follower(way, number, how)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def obey() -> None:
                async for _ in signals:
                    follower.interrupted = True
                    nursery.cancel_scope.cancel()

            nursery.start_soon(obey)
            nursery.start_soon(follower.draw)
            await follower.follow(client)
            nursery.cancel_scope.cancel()
        if follower.interrupted:
            await follower.leave(client)
            return codes.INTERRUPTED
    return follower.end()


class _Follower:
    def __init__(self, way: Way, number: int, how: How) -> None:
        self.interrupted = False
        self._screen: Screen = way.screen
        self._number = number
        self._how = how
        self._build: Build | None = None
        self._since = 0.0  # when its status was first seen, in trio's seconds
        self._is_away = False  # and it was said
        self._attempt = ""
        self._events = LogEvents(way.screen)

    async def follow(self, client: Client) -> None:
        """Tell it all."""
        async for news in client.follow(self._number, self._outage):
            if isinstance(news, Build):
                self._tell_build(news)
            elif self._how.log:
                self._tell_log(news)

    async def draw(self) -> None:
        """Draw the last line each second, for ever."""
        while self._screen.is_live and self._how.news:
            self._draw_once()
            await trio.sleep(TICK_S)

    def end(self) -> int:
        """Tell the verdict; return its exit code."""
        build = self._build
        assert build is not None  # the following has ended, so there was news
        self._screen.close()
        if self._how.log and not self._screen.as_json:
            self._screen.end_log()
        if self._how.news and not self._screen.as_json:
            self._screen.note(words.verdict(build), build.status)
        signal_number = build.attempts[-1].signal if build.attempts else None
        return codes.code_of(build.status, build.reason, build.exit_code, signal_number)

    async def leave(self, client: Client) -> None:
        """Say what becomes of the build that nobody waits for any more."""
        self._screen.close()
        if self._how.log:
            self._screen.end_log()
        if not self._how.cancel:
            self._screen.note(f"build {self._number} goes on; to end it: ci cancel {self._number}")
            return
        try:
            with trio.fail_after(CANCEL_S):
                await client.cancel(self._number)
        except (Unreachable, ApiRefused, trio.TooSlowError) as error:
            self._screen.note(f"build {self._number} was not canceled: {error or 'no answer'}")
        else:
            self._screen.note(f"build {self._number} is canceled", Status.CANCELED)

    def _tell_build(self, build: Build) -> None:
        before, self._build = self._build, build
        if before is None or before.status is not build.status:
            self._since = trio.current_time()
        if self._screen.as_json:
            if build.status.ended:
                self._events.end()
            self._screen.json({"event": "build", "build": build})
        elif self._how.news and not build.status.ended and _summary(before) != _summary(build):
            if self._screen.is_live:
                self._draw_once()
            else:
                self._say(words.state(build))

    def _tell_log(self, piece: LogPiece) -> None:
        if self._screen.as_json:
            self._events.tell(piece)
            return
        if self._attempt not in ("", piece.attempt):
            self._say(f"attempt {self._attempt} was lost; this is {piece.attempt}")
        self._attempt = piece.attempt
        self._screen.log(piece.data)

    def _outage(self, error: Unreachable | ApiRefused | None) -> None:
        if error is None:
            self._screen.note("the server answers again")
        elif not self._is_away:
            why = words.plain(error)
            self._screen.note(f"the server can't be reached ({why}); it is asked again and again")
        self._is_away = error is not None

    def _draw_once(self) -> None:
        if self._build is not None and not self._build.status.ended:
            so_far = words.clock(trio.current_time() - self._since)
            self._screen.show(f"{words.state(self._build)} · {so_far}")

    def _say(self, text: str) -> None:
        if not self._screen.as_json:
            self._screen.note(text)


def _summary(build: Build | None) -> object:
    """What of a build is worth a line in a pipe: not each place in line."""
    return build and (build.status, build.agent)
