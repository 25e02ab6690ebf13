"""Passwords: hashed by argon2, a few at a time, since each takes 64 MB and a fifth of a second."""

from __future__ import annotations

from typing import Final

import trio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ci import blocking

MAX_AT_ONCE: Final = 2  # the rest waits: many who log in at once must not take all the memory
MAX_IN_LINE: Final = 50  # more are refused: they would wait for ten seconds


class Passwords:
    """Hashes and compares. The defaults of `hasher` are those of RFC 9106 for little memory."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._limiter = trio.CapacityLimiter(MAX_AT_ONCE)
        self._no_such: str | None = None  # a hash that no password has

    @property
    def is_busy(self) -> bool:
        """Whether so many wait that one more should come again later."""
        return self._limiter.statistics().tasks_waiting >= MAX_IN_LINE

    async def hash(self, password: str) -> str:
        """Make what is kept of a password."""
        return await blocking.run(self._hasher.hash, password, limiter=self._limiter)

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether it is the one; with None it is not, after as long as if it had to be compared.

        Else the time would tell which accounts there are.
        """
        if kept is None:
            if self._no_such is None:
                self._no_such = await self.hash("of an account that does not exist")
            await self._compare(self._no_such, password)
            return False
        return await self._compare(kept, password)

    def is_outdated(self, kept: str) -> bool:
        """Whether today one would hash more thoroughly."""
        return self._hasher.check_needs_rehash(kept)

    async def _compare(self, kept: str, password: str) -> bool:
        try:
            return await blocking.run(self._hasher.verify, kept, password, limiter=self._limiter)
        except (VerificationError, InvalidHashError):
            return False
