"""Reading what comes in a body: its limit, and who may send one from a browser."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from quart import request

from ci import serve
from ci.errors import Rejected, RequestError, TooLarge

MAX_BODY_BYTES: Final = 1 << 20  # a command of 100,000 characters, escaped, and room to spare
FORM_TYPE: Final = "application/x-www-form-urlencoded"
MAX_FIELDS: Final = 100  # of a form; ours have three
MAX_NAME_CHARS: Final = 100  # of a field
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})  # "none": typed, or from a bookmark


class CrossSite(RequestError):
    """Another site's page sent the request with this reader's browser."""

    http_status = 403


async def refuse_cross_site() -> None:
    """Refuse a change that another site's page asks for. Programs send neither header."""
    if request.method in SAFE_METHODS:
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
    data = await serve.read_body()
    _check_size(len(data))
    return data


async def read_form() -> dict[str, str]:
    """Read a form's fields; of one that is there twice, the first. Raises Rejected, TooLarge.

    Not by Quart, which writes other characters in the place of what is not UTF-8.
    """
    if request.mimetype != FORM_TYPE:
        raise Rejected(f"a form is sent as {FORM_TYPE}, not as {request.mimetype[:100]!r}")
    pairs = (await read_body()).split(b"&", MAX_FIELDS)
    if len(pairs) > MAX_FIELDS:
        raise Rejected(f"the form has more than {MAX_FIELDS} fields")
    form: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        field = unquote(name, errors="replace")[:MAX_NAME_CHARS]
        try:
            form.setdefault(field, unquote_to_bytes(value).decode())
        except UnicodeDecodeError:
            raise Rejected(f"{field}: is not text in UTF-8", field=field) from None
    return form


def _check_size(count: int) -> None:
    if count > MAX_BODY_BYTES:
        raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
