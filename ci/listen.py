"""The listening socket: bound by us, so that port 0 and a port in use are our own words."""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from ci.errors import ConfigError

# Connections that wait while the event loop is busy elsewhere: every open page comes back at the
# same moment after a restart, and Linux resets those for which there is no room.
BACKLOG = 2048


def open_listener(host: str, port: int) -> socket.socket:
    """Bind and listen; `port` 0 takes any free one. Raises ConfigError. Blocks on a name."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"host = {host!r}: is no address of this machine ({error}); correct the value"
        ) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # A program that was killed leaves connections behind which would hold the port for 60 s.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(
                f"host = {host!r}: is no address of this machine; "
                "correct the value, or listen elsewhere with bind"
            ) from error
        raise ConfigError(
            f"port = {port}: can't listen on {host} ({os.strerror(error.errno or 0)}); "
            "stop the other program or choose another port"
        ) from error
    listener.setblocking(False)
    return listener


def url_of(host: str, port: int, *, tls: bool) -> str:
    """Write down where something listens, without a slash at the end."""
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_safe_address(address: str) -> bool:
    """Whether nobody between can read what is sent there: by HTTPS, or within this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    )
