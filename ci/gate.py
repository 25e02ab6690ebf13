"""The gate in front of an app: refuses what no handler should meet."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import urlsplit

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(
    rf"(?:(?P<name>(?=[^:]{{1,253}}(?::|\Z)){_LABEL}(?:\.{_LABEL})*)\.?|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
MAX_PORT: Final = 65535
_MAX_SHOWN_CHARS: Final = 100  # of a header in an answer
# What an answer carries that is no page: whoever shows it in a browser runs nothing of it.
NO_PAGE: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Gate:
    """Refuses, in front of an app, what Quart stumbles over and what browsers are tricked into.

    Quart reads the target and the Host header before any handler of ours can catch what is wrong
    with them. `hosts` guards against DNS rebinding: a page of another site whose name suddenly
    points to this machine is not bound by the browser's rules between sites, but the browser still
    sends that name. None takes any well-formed name; else the Host must be an address, `localhost`
    (or end with it) or one of `hosts`; `advice` says what to do if one is missing.
    """

    def __init__(
        self,
        app: ASGIFramework,
        hosts: frozenset[str] | None,
        advice: str = "add it to hostNames in server-conf.json",
    ) -> None:
        self._app = app
        self._advice = advice
        self._hosts = None if hosts is None else {_plain(name) for name in hosts}

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer a request that is refused; let the app answer any other."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)) is not None:
            await _refuse(send, *refusal)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: HTTPScope) -> tuple[HTTPStatus, str, str] | None:
        """Say with which status, for which part and why a request is not taken, or None."""
        if not _is_target(scope["path"]):
            message = "is no path and no address; begin it with a slash"
            return HTTPStatus.BAD_REQUEST, "target", message
        names = [name for name, _ in scope["headers"]]
        if b"content-length" in names and b"transfer-encoding" in names:
            # A proxy may go by the one and we by the other, and the rest is another's request.
            message = "can't stand beside Transfer-Encoding; send one of the two"
            return HTTPStatus.BAD_REQUEST, "Content-Length", message
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1 or not given[0]:
            message = "is missing; send the name or address by which this server was called"
            return HTTPStatus.BAD_REQUEST, "Host", message
        name = _host_name(given[0])
        shown = repr(given[0][:_MAX_SHOWN_CHARS])
        if name is None:
            message = f"{shown} is no host name or address; call this server by its own"
            return HTTPStatus.BAD_REQUEST, "Host", message
        if self._hosts is None or name in self._hosts or _is_safe(name):
            return None
        message = (
            f"{shown} is no name of this program; call it by its address, "
            f"or, if the name is right, {self._advice}"
        )
        return HTTPStatus.MISDIRECTED_REQUEST, "Host", message


def _is_target(path: str) -> bool:
    """Whether Quart finds a path in what is asked for: it is one, or the address has one."""
    try:
        return path.startswith("/") or (path != "" and urlsplit(path) is not None)
    except ValueError:  # such as a bracket that is not closed
        return False


def _plain(name: str) -> str:
    """Names are the same in any case, and with the dot of the root."""
    return name.lower().removesuffix(".")


def _host_name(host: str) -> str | None:
    """Take the port from a Host header; None when the rest is no name and no address."""
    match = _HOST.fullmatch(host)
    if match is None or int(match["port"] or 0) > MAX_PORT:
        return None
    if (name := match["name"]) is not None:
        return _plain(name)
    return match["ipv6"] if _is_address(match["ipv6"]) else None


def _is_safe(name: str) -> bool:
    """Whether no other site can have this name: an address, or one that never leaves a machine."""
    return _is_address(name) or name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    for kind in (IPv4Address, IPv6Address):
        try:
            kind(name)
        except AddressValueError:
            continue
        return True
    return False


async def _refuse(send: ASGISendCallable, status: HTTPStatus, field: str, message: str) -> None:
    body = json.dumps({"error": {"field": field, "message": f"{field}: {message}"}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),  # what follows may be anything
        *((name.lower().encode(), value.encode()) for name, value in NO_PAGE.items()),
    ]
    await send(
        {"type": "http.response.start", "status": status, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
