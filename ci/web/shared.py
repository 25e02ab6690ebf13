"""What was answered for the present state: made once for each change, not once for each reader.

And how often pages ask for parts, when so much changes that even so they would cost too much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

from quart import current_app, request

from ci.people import Role
from ci.server.views import BuildView, LogView
from ci.turns import Turns
from ci.web.visitors import the_reader

EXTENSION: Final = "shared"  # where an app keeps it
MAX_CHARS: Final = 8_000_000  # of all parts; one has some 40,000: all filters, all open builds
ENTRY_CHARS: Final = 500  # what an answer costs beside its part: it may be that nothing is new
WINDOW_S: Final = 5  # over which is added up how long the making of parts takes
# Above this share of the time, agents and submitters have to wait for open pages, and these ask
# more rarely; below the other there is room for twice as many questions.
TOO_MUCH: Final = 0.4
LITTLE: Final = 0.15
# The page of a build so far back in line asks so many times more rarely: it is not its turn soon,
# and who has asked for a thousand builds may have many of them open.
FAR_PLACE: Final = 100
FAR_PACE: Final = 4
FOR_EVER: Final = "for ever"  # the stamp of what never changes
MAX_PACE: Final = 16  # a list that asks each 2 s then asks each half minute


@dataclass(frozen=True, slots=True)
class Known:
    """What was answered at an address."""

    moment: str  # the stamp of what was shown
    html: str  # the part; "" when nothing was new for the page that asked
    route: str  # as metrics name it
    number: int | None  # of the build, if it is about one
    log: LogView | None = None  # the log that the part continues: bytes do not change a stamp
    making: int = 0  # the how manieth making of a part it was


class Shared:
    """The parts of this moment, and the pace at which pages ask for news."""

    def __init__(self, now_s: float, max_chars: int = MAX_CHARS) -> None:
        self.pace = 1  # how many times longer than usual a page waits between two questions
        self._known: dict[str, Known] = {}  # by address; the newest last
        self._max_chars = max_chars
        self._chars = 0  # in them
        self._turns = Turns()
        self._makings = 0  # begun so far
        self._spent_s = 0.0  # on parts, since `_since_s`
        self._since_s = now_s

    async def part(
        self,
        moment: Callable[[], str],
        make: Callable[[], Awaitable[str]],
        number: int | None = None,
    ) -> str:
        """Return the part at this request's address, made by `make` if nobody has what it shows.

        `moment` stamps what is shown now: two answers with the same stamp are the same.
        """
        return await self._made(_present_address(), moment, make, number)

    async def page(self, moment: Callable[[], str], make: Callable[[], Awaitable[str]]) -> str:
        """Return the whole page at this request's address in the same way.

        What asks for parts is not answered with it, whatever its address is.
        """
        return await self._made(f"whole {the_reader().role} {request.full_path}", moment, make)

    async def _made(
        self,
        address: str,
        moment: Callable[[], str],
        make: Callable[[], Awaitable[str]],
        number: int | None = None,
    ) -> str:
        asked = self._makings
        async with self._turns.turn(address):  # or all who ask meanwhile would make it, too
            known, present = self._known.get(address), moment()
            # What was begun after we asked shows all that we asked for. If each insisted on the
            # very last change, all who wait would make the part, one after the other.
            if known and known.html and (known.moment == present or known.making > asked):
                return known.html
            self._makings += 1
            making = self._makings
            html = await make()
            self._keep(address, Known(present, html, _route(), number, making=making))
            return html

    def settle(self, moment: str, number: int | None = None, log: LogView | None = None) -> None:
        """Note that whoever asks at this request's address has nothing to learn at `moment`."""
        self._keep(_present_address(), Known(moment, "", _route(), number, log))

    def known(self, address: str) -> Known | None:
        """Return what was last answered there."""
        return self._known.get(address)

    def _keep(self, address: str, known: Known) -> None:
        """Keep an answer in the place of its older self; the oldest ones go when it is too much."""
        self._drop(address)
        self._known[address] = known
        self._chars += _chars(address, known)
        while self._chars > self._max_chars and len(self._known) > 1:
            self._drop(next(iter(self._known)))

    def _drop(self, address: str) -> None:
        if address in self._known:
            self._chars -= _chars(address, self._known.pop(address))

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


def pace(view: BuildView | None = None) -> int:
    """For templates: how many times longer than usual a page waits, that of a build if given."""
    far = view is not None and (view.queue_position or 0) > FAR_PLACE
    return the_shared().pace * (FAR_PACE if far else 1)


def address_of(path: str, query: Iterable[tuple[str, str]], role: Role | None) -> str:
    """Name what is asked for, without the version that the page shows already.

    Those who may do less are shown less. The order counts: of two parameters of one name the first
    is taken.
    """
    return f"{role} {path}?{[pair for pair in query if pair[0] != 'v']}"


def _chars(address: str, known: Known) -> int:
    return ENTRY_CHARS + len(address) + len(known.html)


def _present_address() -> str:
    return address_of(request.path, request.args.items(multi=True), the_reader().role)


def _route() -> str:
    return request.url_rule.rule if request.url_rule is not None else ""
