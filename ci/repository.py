"""Where a repository is: which URLs git may be given, and how they are shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

SCHEMES: Final = ("http", "https", "ssh", "git", "file")
_WITH_PASSWORDS: Final = ("http", "https")  # ssh takes none from an URL, and needs the user name
# Of ssh the user is kept. Whatever has a further @ or : in it may be a password.
_LOGIN: Final = re.compile(r"(?<=ssh://)([^/\s:@]+@)(?![^/\s]*@)|(?<=://)[^/\s]*@", re.IGNORECASE)
_SCP_LIKE: Final = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9._][A-Za-z0-9._-]*:[^-].*")
# A password with a slash or a space in it would be taken for a port and a path, and be shown.
_PLACE: Final = re.compile(r"(?:\S*@)?(?:\w[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


class Login(NamedTuple):
    """The user name and password of an URL; they count at `place` alone."""

    place: str  # such as https://git.example.org:8443
    user: str
    password: str | None


def repository_problem(url: str) -> str | None:
    """Say why git must not be given `url`, or None when it may."""
    if not url or len(url) > 2000 or not url.isprintable() or url[0] in "- ":
        return "is no URL or path of a repository"
    scheme, colons, rest = url.partition("://")
    if colons:
        if scheme.lower() not in SCHEMES or not rest or rest[0] == "-":
            return f"has none of the schemes {', '.join(SCHEMES)}"
        if scheme.lower() != "file" and not _PLACE.fullmatch(rest.partition("/")[0]):
            return (
                "has no host name that git can call; "
                "write a slash in a password as %2F, a blank as %20"
            )
        _, login = split_login(url)
        if login is not None and not (login.user + (login.password or "")).isprintable():
            return "has a user name or password with characters that can't be printed"
        return None
    if re.match(r"[^/]*@-", url):
        return "has no host name that git can call"
    if "::" in url.split("/", 1)[0]:
        return "names a git remote helper, which could run any program"
    if url[0] == "~" and not _SCP_LIKE.fullmatch(url):
        try:
            Path(url).expanduser()
        except RuntimeError:
            return "begins with the name of a user that this machine does not have"
    return None


def split_login(url: str) -> tuple[str, Login | None]:
    """Take the user name and password out of an URL of HTTP; others are left as they are."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    said, at, host = host.rpartition("@")
    if scheme.lower() not in _WITH_PASSWORDS or not at:
        return url, None
    user, colon, password = said.partition(":")
    place = f"{scheme}://{host}"
    return place + slash + path, Login(place, unquote(user), unquote(password) if colon else None)


def is_local(url: str) -> bool:
    """Whether a repository is a folder of this machine."""
    scheme, colons, _ = url.partition("://")
    if colons:
        return scheme.lower() == "file"
    return ":" not in url.partition("/")[0]  # else `host:path`, by ssh


def local_path(url: str) -> Path | None:
    """Return the folder of a repository that is on this machine, as git will find it; else None.

    Looks at links, so it may block.
    """
    if not is_local(url):
        return None
    _, colons, rest = url.partition("://")
    path = unquote(rest[rest.find("/") :]) if colons else url
    return Path(path).expanduser().resolve()


def shown_url(url: str) -> str:
    """Return a text without log-ins in its URLs: they are nobody's business.

    The user of ssh stays: `ssh://ada@host/~/x` is another repository than Bob's, and has builds and
    secrets of its own. With a password it goes.
    """
    return _LOGIN.sub(r"\1", url)


def without_user(url: str) -> str:
    """Return a text with no users in its URLs at all."""
    return re.sub(r"(?<=://)[^/\s]*@", "", url)


def absolute_url(url: str) -> str:
    """Make a path absolute; an URL is left as it is."""
    if "://" in url or _SCP_LIKE.fullmatch(url):
        return url
    return str(Path(url).expanduser().resolve())
