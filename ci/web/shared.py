"""Parts that are the same for all who look: made once for each change, not once for each reader.

And how often pages ask for parts, when so much changes that even so they would cost too much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, cast

from quart import current_app, request

EXTENSION: Final = "shared"  # where an app keeps it
MAX_PARTS: Final = 100  # some 40 kB each: all filters, and all open builds, of one moment
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
        self._parts: dict[tuple[str, str], str] = {}
        self._spent_s = 0.0  # on parts, since `_since_s`
        self._since_s = now_s

    async def part(self, moment: str, make: Callable[[], Awaitable[str]]) -> str:
        """Return the part at this request's address, made by `make` if nobody asked before.

        `moment` is the stamp of what is shown: two answers with the same one are the same.
        """
        key = moment, _address()
        if key not in self._parts:
            made = await make()
            while len(self._parts) >= MAX_PARTS:
                del self._parts[next(iter(self._parts))]
            self._parts[key] = made
        return self._parts[key]

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
