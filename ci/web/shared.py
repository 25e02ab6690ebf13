"""Parts that are the same for all who look: made once for each change, not once for each reader.

And how often pages ask for parts, when so much changes that even so they would cost too much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, cast

from quart import current_app, request

from ci.turns import Turns

EXTENSION: Final = "shared"  # where an app keeps it
MAX_CHARS: Final = 8_000_000  # of all parts; one has some 40,000: all filters, all open builds
WINDOW_S: Final = 5  # over which is added up how long the making of parts takes
# Above this share of the time, agents and submitters have to wait for open pages, and these ask
# more rarely; below the other there is room for twice as many questions.
TOO_MUCH: Final = 0.4
LITTLE: Final = 0.15
MAX_PACE: Final = 16  # a list that asks each 2 s then asks each half minute


class Shared:
    """The parts of this moment, and the pace at which pages ask for news."""

    def __init__(self, now_s: float) -> None:
        self.pace = 1  # how many times longer than usual a page waits between two questions
        self._parts: dict[str, tuple[str, str]] = {}  # address: moment, part; the newest last
        self._chars = 0  # in them
        self._turns = Turns()
        self._spent_s = 0.0  # on parts, since `_since_s`
        self._since_s = now_s

    async def part(self, moment: str, make: Callable[[], Awaitable[str]]) -> str:
        """Return the part at this request's address, made by `make` if nobody asked before.

        `moment` is the stamp of what is shown: two answers with the same one are the same.
        """
        address = _address()
        async with self._turns.turn(address):  # or all who ask meanwhile would make it, too
            kept_moment, html = self._parts.get(address, ("", ""))
            if kept_moment != moment:
                html = await make()
                self._keep(address, moment, html)
            return html

    def _keep(self, address: str, moment: str, html: str) -> None:
        """Keep a part in the place of its older self; the oldest ones go when it is too much."""
        self._drop(address)
        self._parts[address] = moment, html
        self._chars += len(address) + len(html)
        while self._chars > MAX_CHARS and len(self._parts) > 1:
            self._drop(next(iter(self._parts)))

    def _drop(self, address: str) -> None:
        if address in self._parts:
            _, html = self._parts.pop(address)
            self._chars -= len(address) + len(html)

    def spend(self, seconds: float, now_s: float) -> None:
        """Note how long a part took; when that is too much, let all pages ask more rarely.

        `now_s` is of a clock that never jumps. On a machine that others use as well everything
        takes longer, so that pages get out of the way there, too.
        """
        self._spent_s += seconds
        elapsed_s = now_s - self._since_s
        if elapsed_s < WINDOW_S:
            return
        if self._spent_s > TOO_MUCH * elapsed_s:
            self.pace = min(self.pace * 2, MAX_PACE)
        elif self._spent_s < LITTLE * elapsed_s:
            self.pace = max(self.pace >> int(elapsed_s // WINDOW_S), 1)
        self._spent_s, self._since_s = 0.0, now_s


def the_shared() -> Shared:
    """Return that of the app that serves the present request."""
    return cast(Shared, current_app.extensions[EXTENSION])


def pace() -> int:
    """For templates: how many times longer than usual a page waits."""
    return the_shared().pace


def _address() -> str:
    """What is asked for, without what the page has already."""
    query = sorted(pair for pair in request.args.items(multi=True) if pair[0] != "v")
    return f"{request.path}?{query}"
