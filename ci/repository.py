"""Where a repository is: which URLs git may be given, and how they are shown."""

from __future__ import annotations

import re
from pathlib import Path

SCHEMES = ("http", "https", "ssh", "git", "file")
_SCP_LIKE = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:[^-].*")


def repository_problem(url: str) -> str | None:
    """Say why git must not be given `url`, or None when it may."""
    if not url or len(url) > 2000 or not url.isprintable() or url[0] in "- ":
        return "is no URL or path of a repository"
    scheme, colons, rest = url.partition("://")
    if colons:
        if scheme.lower() not in SCHEMES or not rest or rest[0] == "-":
            return f"has none of the schemes {', '.join(SCHEMES)}"
        return None
    if "::" in url.split("/", 1)[0]:
        return "names a git remote helper, which could run any program"
    if url[0] == "~" and not _SCP_LIKE.fullmatch(url):
        try:
            Path(url).expanduser()
        except RuntimeError:
            return "begins with the name of a user that this machine does not have"
    return None


def shown_url(url: str) -> str:
    """Return a text without user names and passwords in its URLs: they are nobody's business."""
    return re.sub(r"(?<=://)[^/\s@]+@", "", url)


def absolute_url(url: str) -> str:
    """Make a path absolute; an URL is left as it is."""
    if "://" in url or _SCP_LIKE.fullmatch(url):
        return url
    return str(Path(url).expanduser().resolve())
