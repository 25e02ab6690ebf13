"""An Atom feed (RFC 4287) of ended builds, by the same filters as the list."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Final

from quart import Response, request

from ci.answers.writing import iso
from ci.errors import Rejected
from ci.model import Build, Status
from ci.repository import shown_url
from ci.server.views import BuildFilter
from ci.web import query, words
from ci.web.core import the_core
from ci.web.ends import newest_ends, xml_text
from ci.web.render import render

_ENDS: Final = tuple(status for status in Status if status.ended)
_TYPE: Final = "application/atom+xml; charset=utf-8"
# An id holds for ever, whatever name the server is reached by: it is made of what never changes.
_NAMESPACE: Final = uuid.UUID("3f0c8f52-6a4e-4c5d-9d55-0f6f3f5b7a10")
_NO_END_YET: Final = datetime(1970, 1, 1, tzinfo=UTC)  # an Atom feed must say when it was updated


async def feed() -> Response:
    """List the newest ended builds."""
    wanted = query.build_filter()
    if wanted.status is not None and wanted.status not in _ENDS:
        raise Rejected(f"status: must be one of {', '.join(_ENDS)}", field="status")
    statuses = _ENDS if wanted.status is None else (wanted.status,)
    builds = await newest_ends(the_core(), wanted, statuses)
    address = request.full_path.removesuffix("?")
    document = render(
        "feed.atom",
        address=address,
        here=f"{_scheme()}://{request.host}",
        title=_title(wanted),
        id=uuid.uuid5(_NAMESPACE, address),
        updated=iso(max((_end(build) for build in builds), default=_NO_END_YET)),
        entries=[_entry(build) for build in builds],
    )
    response = Response(
        document, content_type=_TYPE, headers={"Cache-Control": "private, no-cache"}
    )
    await response.add_etag()
    await response.make_conditional(request)
    return response


def _scheme() -> str:
    """Return what the reader's address begins with: a proxy in front may speak TLS for us."""
    return "https" if request.headers.get("X-Forwarded-Proto") == "https" else request.scheme


def _title(wanted: BuildFilter) -> str:
    asked = (wanted.repository, wanted.branch, wanted.agent, wanted.status, wanted.text)
    parts = ("Builds", *filter(None, asked))
    return xml_text(" · ".join(parts))


def _end(build: Build) -> datetime:
    assert build.finished_at is not None  # whatever has ended has
    return build.finished_at


def _entry(build: Build) -> dict[str, object]:
    """Say what an entry shows: title and text are plain, the reader's program draws them."""
    what = build.subject or build.commit
    where = f"{shown_url(build.repository)}, {build.branch or build.commit}"
    took = f"It took {words.duration(build.duration_s)}." if build.duration_s is not None else ""
    sentence = words.verdict(build)
    detail = build.message if build.message != sentence else ""
    said = (sentence, detail, took)
    return {
        "id": uuid.uuid5(_NAMESPACE, f"{build.number} {build.created_at.isoformat()}"),
        "number": build.number,
        "status": build.status,
        "title": xml_text(f"#{build.number} {build.status}: {what}"),
        "author": xml_text(build.author or "unknown"),
        "published": iso(build.created_at),
        "updated": iso(build.finished_at),
        "text": xml_text(
            "\n".join((where, f"$ {words.short(build.command)}", *filter(None, said)))
        ),
    }
