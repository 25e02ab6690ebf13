"""An answer's body, as it came: not packed, and no longer than it may be.

httpx unpacks what is packed before anybody could count, as often as it says that it was packed: a
kilobyte becomes a gigabyte, and nobody else has a turn meanwhile. So nothing packed is asked for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, cast

import httpx

ASK_PLAIN: Final = {"Accept-Encoding": "identity"}
_SHOWN_CHARS: Final = 50


class OddAnswer(httpx.DecodingError):
    """An answer that is not read to its end, so that nobody knows what it says."""


async def read_plain(response: httpx.Response, most: int) -> bytes:
    """Read up to `most` bytes of a body. Raises OddAnswer when there are more, or it is packed."""
    packed = response.headers.get("Content-Encoding", "")
    if packed.lower() not in ("", "identity"):
        raise OddAnswer(f"it answers packed by {packed[:_SHOWN_CHARS]!r}, which nobody asked for")
    body = bytearray()
    async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_bytes())) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > most:
                raise OddAnswer(f"it answers without end: more than {most} bytes")
    return bytes(body)
