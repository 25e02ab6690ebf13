"""Without JavaScript a page loads itself again when its address asks for that, and not before.

Else it would take from its reader what is being typed, what is unfolded, and the place in the log.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from quart import request, url_for

REFRESH_S: Final = 5  # how often: a page like that is watched, not read
_PARAMETER: Final = "refresh"


def is_refreshing() -> bool:
    """Whether the address of the present page asks for it."""
    return _PARAMETER in request.args


def own_address(*, refreshing: bool) -> str:
    """Return the address of the present page, as one that loads itself again or does not."""
    assert request.endpoint is not None  # or there would be no page
    pairs = [pair for pair in request.args.items(multi=True) if pair[0] != _PARAMETER]
    if refreshing:
        pairs.append((_PARAMETER, "1"))
    path = url_for(request.endpoint, **request.view_args or {})
    return f"{path}?{urlencode(pairs)}" if pairs else path
