"""Reading what comes in a body: its limit, and who may send one from a browser."""

from __future__ import annotations

from typing import Final

from quart import request
from werkzeug.datastructures import MultiDict

from ci.errors import RequestError, TooLarge

MAX_BODY_BYTES: Final = 1 << 20  # a command of 100,000 characters, escaped, and room to spare
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})  # "none": typed, or from a bookmark


class CrossSite(RequestError):
    """Another site's page sent the request with this reader's browser."""

    http_status = 403


async def refuse_cross_site() -> None:
    """Refuse a change that another site's page asks for. Programs send neither header."""
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        foreign = site not in _OWN_SITES
    else:
        origin = request.headers.get("Origin")
        # Compared as text: what comes there need not be a well-formed address. Werkzeug leaves a
        # default port out, which a proxy may have put in, and knows no name with an underscore.
        own = {request.host, request.headers.get("Host", "")} - {""}
        foreign = origin is not None and origin.partition("://")[2] not in own
    if foreign:
        raise CrossSite("another site's page can't ask for this; use this server's own pages")


async def read_body() -> bytes:
    """Read the whole body. Raises TooLarge."""
    _check_size(request.content_length or 0)
    data = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    _check_size(len(data))
    return data


async def read_form() -> MultiDict[str, str]:
    """Read a form's fields. Raises TooLarge."""
    _check_size(request.content_length or 0)
    return await request.form


def _check_size(count: int) -> None:
    if count > MAX_BODY_BYTES:
        raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
