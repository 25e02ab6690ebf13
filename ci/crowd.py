"""Crowd: which connections have to go when there are too many, or too much in their bodies.

Two rules, so that whoever is quick is served, whatever others do:
- Of too many connections, the one goes for whose client we have waited longest: an idle one, one
  that sends slowly, one that does not read. Those that we work for stay, until their answer begins:
  from then on its last piece counts, so those that follow a silent build make room, too.
- Of too many bodies, the one goes that came first of those that are not whole yet. So a body
  is lost only to others that brought far more bytes meanwhile. (The largest may be that of an
  agent, beside hundreds that are kept just below it.)
"""

from __future__ import annotations

from typing import Final, Protocol

import structlog
import trio

from ci.limits import Limits
from ci.outage import Outage

log = structlog.get_logger()

COMPLAIN_S: Final = 60.0  # between two log lines; an attack must not fill the disk with them


class Member(Protocol):
    """A connection, as far as the crowd knows it."""

    def stop(self) -> None:
        """End it, unless a request is under way."""

    def drop(self) -> None:
        """End it now; it has left the crowd when this returns."""


class Crowd:
    """All connections of a program, and what they hold."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.broken = Outage(COMPLAIN_S)  # for the log, of those that met a bug of ours
        self._all: set[Member] = set()
        self._waiting: dict[Member, None] = {}  # for their clients; the longest first
        self._bodies: dict[Member, int] = {}  # bytes in memory; the one that began first, first
        self._silent_until = 0.0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, member: Member) -> None:
        """Take one in; if that is one too many, drop one, which may be the same."""
        self._all.add(member)
        self.wait(member)
        if len(self._all) > self.limits.connections:
            self._drop(next(iter(self._waiting)), "too many connections")

    def leave(self, member: Member) -> None:
        """Forget one."""
        self._all.discard(member)
        self.work(member)
        self.release(member)

    def stop(self) -> None:
        """End those that are idle."""
        for member in list(self._all):
            member.stop()

    def wait(self, member: Member) -> None:
        """Say that we wait for its client from now on."""
        self.work(member)
        if member in self._all:
            self._waiting[member] = None

    def work(self, member: Member) -> None:
        """Say that its client waits for us."""
        self._waiting.pop(member, None)

    def hold(self, member: Member, count: int) -> None:
        """Say that so many more bytes of its request's body are in memory."""
        if member in self._all and count:
            self._bodies[member] = self._bodies.get(member, 0) + count
        while sum(self._bodies.values()) > self.limits.body_bytes:
            first = next(iter(self._bodies))
            slow = next((one for one in self._bodies if one in self._waiting), first)
            self._drop(slow, "too many bytes in requests")

    def release(self, member: Member) -> None:
        """Say that its request is over."""
        self._bodies.pop(member, None)

    def _drop(self, member: Member, why: str) -> None:
        member.drop()
        self._dropped += 1
        if trio.current_time() >= self._silent_until:
            self._silent_until = trio.current_time() + COMPLAIN_S
            log.warning("connections dropped", why=why, dropped=self._dropped, left=len(self._all))
            self._dropped = 0
