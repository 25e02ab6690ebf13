"""Ended builds for programs that draw or list them: the newest of each status, put together.

A look by status is answered by an index; a page of all builds may hold a long queue and no end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ci.model import Build, Status
from ci.server.views import BuildFilter
from ci.web.core import Core

# What XML can't hold, not even escaped: a command or a commit's subject may.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


async def newest_ends(core: Core, wanted: BuildFilter, statuses: Iterable[Status]) -> list[Build]:
    """Return at most `wanted.limit` builds that ended as one of `statuses`, newest first."""
    found: list[Build] = []
    for status in statuses:
        found += (await core.builds(replace(wanted, status=status))).builds
    return sorted(found, key=lambda build: build.number, reverse=True)[: wanted.limit]


def xml_text(text: str) -> str:
    """Replace the characters that no XML document may have."""
    return _NOT_XML.sub("\ufffd", text)
