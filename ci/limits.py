"""Limits: what clients may take of us, and how many files this process may have open for them."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

# Of all files that may be open, so that the store, the logs and our own calls find some left.
CONNECTIONS_SHARE: Final = 0.75
# Whole bodies of the largest size that may be in memory at once, over all connections.
LARGEST_BODIES: Final = 8


@dataclass(frozen=True)
class Limits:
    """What all clients together, and each of them alone, may take."""

    connections: int  # open at once
    client_s: (
        float  # for what we wait for: the head of a request, its body, the reading of an answer
    )
    body_bytes: int  # of all bodies in memory at once


def make_limits(connections: int, client_s: float, max_body_bytes: int) -> Limits:
    """Make the limits; fewer connections than asked for where too few files may be open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY:
        connections = min(connections, int(files * CONNECTIONS_SHARE))
    return Limits(connections, client_s, LARGEST_BODIES * max_body_bytes)


def raise_file_limit() -> None:
    """Let this process open as many files as it may; the usual limit is kept low for `select`.

    Not for a program that starts commands: they would inherit it, and some trip over it.
    """
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
