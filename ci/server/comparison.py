"""The new lines of one log against another one: each pair is compared once, whoever asks for it.

Who asks may leave at any time, as a page does that only shows how far it is. Who asks again goes
on from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import trio

from ci.server.comparing import Comparing
from ci.server.logs import Logs
from ci.server.views import LogNews

SHORT_BYTES: Final = 1 << 20  # of both logs, compared in some 20 ms
KNOWN_PAIRS: Final = 16  # that are remembered; each takes some 50 kB, and 2 MB at most
MOST_BEGUN: Final = 2  # of long logs; each takes up to 100 MB until it is finished or given up
LEFT_S: Final = 10.0  # when nobody has asked for so long, he has left: a page asks each second
LOOK_AGAIN_S: Final = 1.0  # whether others have finished, or left

Pair = tuple[str, str]


@dataclass(slots=True)
class _Begun:
    work: Comparing
    is_short: bool
    turn: trio.Lock = field(default_factory=trio.Lock)  # of those who want the same one
    asked_at: float = 0.0


class Comparisons:
    """Compares the logs of attempts that have ended, and remembers what came of it."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self._thread = trio.CapacityLimiter(1)
        self._begun: dict[Pair, _Begun] = {}
        self._known: dict[Pair, LogNews] = {}

    async def compare(self, id: str, other: str) -> LogNews:
        """Tell what is new in a log against the other one.

        Cancellation: at each slice of the logs; the next one who asks goes on from there.
        """
        pair = id, other
        while pair not in self._known:
            begun = self._begin(pair)
            if begun is None:
                await trio.sleep(LOOK_AGAIN_S)
                continue
            async with begun.turn:
                if self._begun.get(pair) is begun:
                    await self._go_on(pair, begun)
        news = self._known[pair]
        self._remember(pair, news)
        return news

    def looked_at(self, id: str, other: str) -> int:
        """Return how many bytes of two logs were looked at so far, while they are compared."""
        begun = self._begun.get((id, other))
        return 0 if begun is None else begun.work.looked_at

    def is_quick(self, id: str, other: str) -> bool:
        """Whether two logs have been compared, or are short, so that a page can wait for it."""
        return (id, other) in self._known or self._is_short(id, other)

    def _begin(self, pair: Pair) -> _Begun | None:
        """Return a comparison to go on with; None while too many others are at it."""
        now = trio.current_time()
        self._begun = {
            other: begun
            for other, begun in self._begun.items()
            if begun.turn.locked() or now - begun.asked_at < LEFT_S
        }
        if pair not in self._begun:
            is_short = self._is_short(*pair)
            if not is_short and self._count_long() >= MOST_BEGUN:
                return None
            self._begun[pair] = _Begun(Comparing(self._logs, *pair, self._thread), is_short)
        begun = self._begun[pair]
        begun.asked_at = now
        return begun

    async def _go_on(self, pair: Pair, begun: _Begun) -> None:
        try:
            self._remember(pair, await begun.work.finish())
        except trio.Cancelled:
            begun.asked_at = trio.current_time()
            raise
        except BaseException:
            del self._begun[pair]  # as when a disk can't be read: the next one begins anew
            raise
        del self._begun[pair]

    def _remember(self, pair: Pair, news: LogNews) -> None:
        self._known.pop(pair, None)
        self._known[pair] = news
        if len(self._known) > KNOWN_PAIRS:
            del self._known[next(iter(self._known))]

    def _is_short(self, id: str, other: str) -> bool:
        return self._logs.size(id) + self._logs.size(other) <= SHORT_BYTES

    def _count_long(self) -> int:
        return sum(not begun.is_short for begun in self._begun.values())
