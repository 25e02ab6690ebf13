"""The files that pages need: read once at start, sent from memory, kept by browsers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from quart import Blueprint, Response, current_app, redirect, request
from quart.typing import ResponseReturnValue

from ci.errors import NotFound

EXTENSION = "static_files"  # where an app keeps them
# A year, in seconds. The address of a file carries its version, so it never needs asking again.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_NO_ROBOTS: Final = "User-agent: *\nDisallow: /\n"

static = Blueprint("static", __name__)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file with its type; `version` changes with its bytes."""

    content: bytes
    content_type: str
    version: str


def read_folder(folder: Path) -> dict[str, StaticFile]:
    """Read all files of the known types."""
    found: dict[str, StaticFile] = {}
    for path in folder.iterdir():
        if path.suffix in _TYPES:
            content = path.read_bytes()
            version = hashlib.sha256(content).hexdigest()[:12]
            found[path.name] = StaticFile(content, _TYPES[path.suffix], version)
    return found


def static_url(name: str) -> str:
    """The address of a file, with its version."""
    return f"{request.root_path}/static/{name}?v={_files()[name].version}"


@static.get("/favicon.ico")
async def favicon() -> ResponseReturnValue:
    """Lead programs that look for it there to the one that pages name."""
    return redirect(static_url("favicon.svg"), HTTPStatus.FOUND)


@static.get("/robots.txt")
async def robots() -> Response:
    """Keep search engines out: each page of each build has thousands of links."""
    return Response(_NO_ROBOTS, content_type="text/plain; charset=utf-8")


@static.get("/static/<name>")
async def static_file(name: str) -> Response:
    """Send a file."""
    file = _files().get(name)
    if file is None:
        raise NotFound("there is no such file")
    response = Response(file.content, content_type=file.content_type)
    current = request.args.get("v") == file.version
    response.headers["Cache-Control"] = _FOR_EVER if current else "no-cache"
    response.set_etag(file.version)
    return await response.make_conditional(request)


def _files() -> dict[str, StaticFile]:
    files: dict[str, StaticFile] = current_app.extensions[EXTENSION]
    return files
