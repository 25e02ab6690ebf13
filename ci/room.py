"""Room: which connections have to go when there are too many, or too much in their bodies.

Two rules, so that whoever is quick is served, whatever others do:
- Of too many connections, the one goes for whose client we have waited longest: an idle one, one
  that sends slowly, one that does not read. Those that we work for stay.
- Of too many bodies, the largest goes.
"""

from __future__ import annotations

from typing import Final, Protocol

import structlog
import trio

from ci.limits import Limits

log = structlog.get_logger()

COMPLAIN_S: Final = 60.0  # between two log lines; an attack must not fill the disk with them


class Occupant(Protocol):
    """A connection, as far as the room knows it."""

    def stop(self) -> None:
        """End it, unless a request is under way."""

    def drop(self) -> None:
        """End it now; it has left the room when this returns."""


class Room:
    """All connections of a program, and what they hold."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._all: set[Occupant] = set()
        self._waiting: dict[Occupant, None] = {}  # for their clients; the longest first
        self._bodies: dict[Occupant, int] = {}  # bytes in memory
        self._silent_until = 0.0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, occupant: Occupant) -> None:
        """Take one in; if that is one too many, drop one, which may be the same."""
        self._all.add(occupant)
        self.wait(occupant)
        if len(self._all) > self.limits.connections:
            self._drop(next(iter(self._waiting)), "too many connections")

    def leave(self, occupant: Occupant) -> None:
        """Forget one."""
        self._all.discard(occupant)
        self.work(occupant)
        self.release(occupant)

    def stop(self) -> None:
        """End those that are idle."""
        for occupant in list(self._all):
            occupant.stop()

    def wait(self, occupant: Occupant) -> None:
        """Say that we wait for its client from now on."""
        self.work(occupant)
        if occupant in self._all:
            self._waiting[occupant] = None

    def work(self, occupant: Occupant) -> None:
        """Say that its client waits for us."""
        self._waiting.pop(occupant, None)

    def hold(self, occupant: Occupant, count: int) -> None:
        """Say that so many more bytes of its request's body are in memory."""
        if occupant in self._all and count:
            self._bodies[occupant] = self._bodies.get(occupant, 0) + count
        if sum(self._bodies.values()) > self.limits.body_bytes:
            largest = max(self._bodies, key=self._bodies.__getitem__)
            self._drop(largest, "too many bytes in requests")

    def release(self, occupant: Occupant) -> None:
        """Say that its request is over."""
        self._bodies.pop(occupant, None)

    def _drop(self, occupant: Occupant, why: str) -> None:
        occupant.drop()
        self._dropped += 1
        if trio.current_time() >= self._silent_until:
            self._silent_until = trio.current_time() + COMPLAIN_S
            log.warning("connections dropped", why=why, dropped=self._dropped, left=len(self._all))
            self._dropped = 0
