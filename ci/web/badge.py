"""A badge for a README: how the newest build of a repository ended, as a small picture."""

from __future__ import annotations

import unicodedata
from typing import Final

from quart import Response, request

from ci.errors import NotFound
from ci.model import Status
from ci.repository import shown_url
from ci.server.views import BuildFilter
from ci.web import query
from ci.web.core import the_core
from ci.web.ends import newest_ends, xml_text
from ci.web.render import render

# A build that was canceled, or that still runs, says nothing of the code.
_SAYS_SOMETHING: Final = (Status.SUCCESS, Status.FAILURE, Status.ERROR)
# In both schemes a badge stands on a ground that we don't know, so it brings its own.
_COLOURS: Final = {
    Status.SUCCESS: "#1a7f45",
    Status.FAILURE: "#c4262f",
    Status.ERROR: "#9a5b00",
    None: "#66716b",
}
_MAX_LABEL_CHARS: Final = 40  # a name may be an URL
# Of a character, in pixels, at 11 px: the viewer's font is unknown, so text is fitted to this.
_NARROW_PX: Final = 6.4
_WIDE_PX: Final = 11.0


async def badge(name: str) -> Response:
    """Draw the badge of a repository, or of one of its branches."""
    core = the_core()
    branch = query.text("branch")
    if f"/{name}" in core.repositories:  # no address has two slashes behind each other for sure
        name = f"/{name}"
    wanted = BuildFilter(repository=name, branch=branch, limit=1)
    newest = next(iter(await newest_ends(core, wanted, _SAYS_SOMETHING)), None)
    if newest is not None:
        return await _draw(f"{name} {branch}" if branch else name, newest.status)
    known = {shown_url(one) for one in core.repositories}
    if name in known:
        return await _draw(f"{name} {branch}" if branch else name, None, "no builds")
    return await _draw(name, None, "unknown", NotFound.http_status)


async def _draw(label: str, status: Status | None, words: str = "", code: int = 200) -> Response:
    label, words = xml_text(_short(label)), words or str(status)
    picture = render(
        "badge.svg",
        label=label,
        words=words,
        label_px=_width_px(label),
        words_px=_width_px(words),
        status=status,
        colour=_COLOURS[status],
    )
    response = Response(picture, code, content_type="image/svg+xml; charset=utf-8")
    # Whoever keeps it must ask again each time: else a README shows green for days.
    response.headers["Cache-Control"] = "no-cache"
    if code != NotFound.http_status:
        await response.add_etag()
        await response.make_conditional(request)
    return response


def _short(text: str) -> str:
    return text if len(text) <= _MAX_LABEL_CHARS else f"…{text[1 - _MAX_LABEL_CHARS :]}"


def _width_px(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return round(wide * _WIDE_PX + (len(text) - wide) * _NARROW_PX)
