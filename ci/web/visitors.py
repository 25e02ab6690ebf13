"""Who sends a request: the first thing that is known of it, in front of all that answers.

A proxy that is trusted says for whom it asks; nobody else is believed to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, cast

import structlog
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from quart import request
from werkzeug.sansio.http import parse_cookie

from ci.people import Reader
from ci.web.core import Core
from ci.wire.token import shown_secret

SESSION: Final = "ci_session"  # the names of our cookies
DEVICE: Final = "ci_device"
OPENID: Final = "ci_openid"  # while somebody is at the provider
# Browsers take a cookie of that name only over HTTPS and from the very host that is asked, so that
# no neighbouring name can put one of its own in its place.
HOST_PREFIX: Final = "__Host-"
VISITOR: Final = "ci.visitor"  # where a request has it
FORWARDED: Final = b"x-forwarded-for"
_HOP: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([\d.]+)(?::\d+)?|([0-9A-Fa-f:.]+)")
_MAX_COOKIE_CHARS: Final = 8192  # of all that a browser sends to this name

log = structlog.get_logger()

Network = IPv4Network | IPv6Network


class Visitor:
    """Whoever sends a request. Who that is, is found out when it is first asked."""

    def __init__(
        self,
        find: Callable[[str, str, str], Reader],
        scope: HTTPScope,
        *,
        proxies: Sequence[Network],
    ) -> None:
        headers = _headers(scope, (b"authorization", b"cookie"))
        self._find = find
        self._reader: Reader | None = None
        self._token = shown_secret(headers.get(b"authorization", ""))
        self._cookies = _cookies(headers.get(b"cookie", ""))
        self.address, self.is_https = _origin(scope, proxies)

    @property
    def reader(self) -> Reader:
        """Who it is. Raises Unauthorized when a token is shown that is none."""
        if self._reader is None:
            self._reader = self._find(self.cookie(SESSION), self._token, self.address)
        return self._reader

    def cookie(self, name: str) -> str:
        """Return what the browser has kept for us under that name, or ""."""
        return self._cookies.get(self.cookie_name(name), "")

    def cookie_name(self, name: str) -> str:
        """Return the name that a cookie has where this visitor comes from."""
        return HOST_PREFIX + name if self.is_https else name


class Visitors:
    """Puts a Visitor into the scope of each request, in front of an app."""

    def __init__(self, app: ASGIFramework, core: Core, proxies: Iterable[str]) -> None:
        """`proxies` are addresses and networks, such as `127.0.0.1` and `10.0.0.0/8`."""
        self._app = app
        self._core = core
        self._proxies = [ip_network(text) for text in proxies]
        self._told = False

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Let the app answer."""
        if scope["type"] == "http":
            visitor = Visitor(self._find, scope, proxies=self._proxies)
            self._look_for_a_proxy(scope)
            cast(dict[str, Any], scope)[VISITOR] = visitor
            host, port = scope["client"] or ("", 0)
            if visitor.address != host:  # all behind this see the caller, and not the proxy
                scope["client"] = visitor.address, port
        await self._app(scope, receive, send)

    def _look_for_a_proxy(self, scope: HTTPScope) -> None:
        """Tell once of a proxy that nobody has named: all who come by it look like one visitor."""
        peer = (scope["client"] or ("",))[0]
        if self._told or _is_in(peer, self._proxies) or not _headers(scope, (FORWARDED,)):
            return
        self._told = True
        log.warning(
            "proxy not named",
            address=peer,
            meaning="it says for whom it asks, and is not believed: wrong passwords of all who "
            "come by it are counted together, and the audit log has its address for theirs",
            do="if it is a proxy of yours, name it in trustedProxies",
        )

    def _find(self, session: str, bearer: str, address: str) -> Reader:
        return self._core.people.readers.reader(session=session, bearer=bearer, address=address)


def visitor_of(scope: HTTPScope) -> Visitor:
    """Return whoever sends that request."""
    return cast(Visitor, cast(dict[str, Any], scope)[VISITOR])


def the_visitor() -> Visitor:
    """Return whoever sends the present request."""
    return visitor_of(cast(HTTPScope, request.scope))


def the_reader() -> Reader:
    """Say who sends the present request. Raises Unauthorized."""
    return the_visitor().reader


def _headers(scope: HTTPScope, names: tuple[bytes, ...]) -> dict[bytes, str]:
    """Return the first of each."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in names:
            found.setdefault(name, value.decode("latin-1"))
    return found


def _cookies(header: str) -> dict[str, str]:
    if not header or len(header) > _MAX_COOKIE_CHARS:
        return {}
    return dict(parse_cookie(header).items())


def _origin(scope: HTTPScope, proxies: Sequence[Network]) -> tuple[str, bool]:
    """Return the address of the client, and whether it speaks HTTPS, to us or to the proxy."""
    address = (scope["client"] or ("",))[0]
    is_https = scope["scheme"] == "https"
    if not _is_in(address, proxies):
        return address, is_https
    said = _headers(scope, (FORWARDED, b"x-forwarded-proto"))
    is_https = said.get(b"x-forwarded-proto", "").rpartition(",")[2].strip().lower() == "https"
    # From the right: what stands before the first one that is no proxy, anybody can have written.
    for hop in reversed(said.get(FORWARDED, "").split(",")):
        if (found := _address_in(hop.strip())) is None:
            break  # a word in its place would be as many addresses as somebody wants to have
        address = found
        if not _is_in(address, proxies):
            break
    return address, is_https


def _address_in(hop: str) -> str | None:
    """Read an address, beside which some proxies write a port."""
    match = _HOP.fullmatch(hop)
    try:
        return str(ip_address(match[1] or match[2] or match[3])) if match else None
    except ValueError:
        return None


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
