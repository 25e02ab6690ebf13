"""Parts of pages for htmx: the same route sends the page, or one part of it, or 204 for "no news".

A page carries in the address of each part the version that it shows. The version is compared
before anything is asked of the store, and once a route has answered, `ci.web.quick` repeats the
answer until the version changes, so that open pages cost next to nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from quart import Response, request

from ci.server.views import LogView
from ci.web.core import Core
from ci.web.render import render
from ci.web.shared import FOR_EVER, the_shared

# Seconds after which a part is sent anew though nothing happened, since it says how long
# something has been running, or how long ago it was.
EACH_SECOND: Final = 1
EACH_LOOK: Final = 2  # the interval at which lists ask
EACH_MINUTE: Final = 60
NEVER: Final = 0  # a log says nothing of the kind
_STAMP = re.compile(r"(?P<version>.+)\.(?P<period>0|1|2|60)\.[0-9]+")
CACHING: Final = {"Cache-Control": "private, no-cache", "Vary": "HX-Request"}


def wanted_part() -> str | None:
    """Name the part that htmx asks for; None when a whole page is wanted."""
    return request.args.get("part") if "HX-Request" in request.headers else None


def stamp(core: Core, period_s: int, number: int | None = None) -> str:
    """Say what a page shows: the version, and a clock that ticks each `period_s`.

    With a number it is the page of that build.
    Take it before the store is asked, so that a change in between is not missed.
    """
    ticks = int(core.now().timestamp()) // period_s if period_s else 0
    return f"{core.version(number)}.{period_s}.{ticks}"


def stamps(core: Core, period_s: int, number: int | None = None) -> tuple[str, str]:
    """Stamp a part twice: for when it shows something that runs, and for when it does not."""
    return stamp(core, period_s, number), stamp(core, EACH_MINUTE, number)


def is_present(core: Core, moment: str, number: int | None = None) -> bool:
    """Whether this stamp is still that of the present state."""
    match = _STAMP.fullmatch(moment)
    return match is not None and moment == stamp(core, int(match["period"]), number)


def version_of(moment: str) -> str:
    """Take the version out of a stamp of ours."""
    return moment.rsplit(".", 2)[0]


def is_current(core: Core, number: int | None = None) -> bool:
    """Whether the page that asks shows the present state already."""
    return is_present(core, request.args.get("v", ""), number)


def no_news(moment: str, number: int | None = None, log: LogView | None = None) -> Response:
    """Answer that nothing has changed; `moment` is a stamp from before that was found out."""
    the_shared().settle(moment, number, log)
    return _finish(Response(b"", 204))


async def send_page(template: str, status: int = 200, **context: Any) -> Response:
    """Send a whole page."""
    return _finish(Response(render(template, whole=True, **context), status))


async def send_shared_page(
    template: str, core: Core, context: Callable[[], Awaitable[dict[str, Any]]]
) -> Response:
    """Send a whole page that is the same for all, made once for each state, and each look."""

    async def make() -> str:
        return render(template, whole=True, **await context())

    def moment() -> str:
        # Not the stamp of parts, which may lag: who has just changed something sees it.
        ticks = int(core.now().timestamp()) // EACH_LOOK
        return f"{core.version(at_once=True)}.{ticks}"

    return _finish(Response(await the_shared().page(moment, make)))


async def send_part(template: str, *, replaces: str | None = None, **context: Any) -> Response:
    """Send one part; with `replaces` it takes the place of that element, not of the asking one."""
    response = _finish(Response(_part(template, context)))
    if replaces is not None:
        response.headers["HX-Retarget"] = replaces
        response.headers["HX-Reswap"] = "outerHTML"
    return response


async def send_shared_part(
    template: str,
    moment: Callable[[], str],
    context: Callable[[], Awaitable[dict[str, Any]]],
    number: int | None = None,
) -> Response:
    """Send a part that is the same for all; `context` is asked once for each `moment`."""

    async def make() -> str:
        return _part(template, await context())

    return _finish(Response(await the_shared().part(moment, make, number)))


async def send_lasting_part(template: str) -> Response:
    """Send a part that is always the same."""
    return await send_shared_part(template, lambda: FOR_EVER, _nothing)


async def _nothing() -> dict[str, Any]:
    return {}


def _part(template: str, context: dict[str, Any]) -> str:
    began_s = time.monotonic()
    html = render(template, whole=False, **context)
    now_s = time.monotonic()
    the_shared().spend(now_s - began_s, now_s)
    # White space around the part would pile up in the page, one piece at each look.
    return html.strip()


def _finish(response: Response) -> Response:
    response.headers.update(CACHING)
    return response
